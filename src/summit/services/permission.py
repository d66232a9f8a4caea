"""Who sends a request, for handlers; and what handlers themselves must ask, because they find out
which topic it concerns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from summit.base.errors import Invalid
from summit.base.hosts import is_loopback, network_of
from summit.identity import ANONYMOUS, LOCAL, Principal
from summit.web import Request

PRINCIPAL: Final = "summit.principal"  # in a request's scope


def principal_of(request: Request) -> Principal:
    """Who sends a request; nobody, where no gate has looked."""
    found: Principal = request.scope.get(PRINCIPAL, ANONYMOUS)
    return found


def require_topic(request: Request, action: str, topic: Any) -> None:
    """Refuse who may not `read`, `produce` to or `admin` a topic. Raises Invalid.

    What is no text is left to whoever reads the request.
    """
    principal = principal_of(request)
    if isinstance(topic, str) and not principal.may(action, topic):
        raise forbidden(principal, f"the grant {action}:{topic[:249]}")


def readable(request: Request, topics: Iterable[str]) -> list[str]:
    """Those of some topics that the sender may read."""
    principal = principal_of(request)
    return [topic for topic in topics if principal.may("read", topic)]


def acting(request: Request) -> str | None:
    """Who does what a request asks for, where that was proved; None = whoever it says does it."""
    principal = principal_of(request)
    return None if principal in (LOCAL, ANONYMOUS) else principal.name


def sender_of(request: Request) -> str | None:
    """What stands for the sender where something is counted for each; None = this machine."""
    principal = principal_of(request)
    if principal not in (LOCAL, ANONYMOUS):
        return f"{principal.kind} {principal.key_id or principal.name}"
    address = request.remote_address
    return None if is_loopback(address) else network_of(address)


def forbidden(principal: Principal, needed: str) -> Invalid:
    """The error for who may not do something."""
    return Invalid("auth.forbidden", who=principal.name, role=principal.role, needed=needed)
