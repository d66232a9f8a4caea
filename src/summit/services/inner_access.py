"""How the parts of this machine's own platform reach a broker that asks who its clients are.

A secured broker has one more listener, on the loopback address only, for a user whose password is
made up anew with each start. It stands in the environment of this process from now on, and so in
that of its children.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from summit.base.config import environment, extend_environment
from summit.base.secrets import INNER_USER
from summit.client.addresses import format_address

if TYPE_CHECKING:
    from summit.broker.security.security import InnerAccess


def choose_password() -> None:
    """Make the password up that a broker, started as a child from now on, is to take."""
    extend_environment({"SUMMIT_BROKER__INNER_PASSWORD": secrets.token_urlsafe(24)})


def use_access(access: InnerAccess | None) -> str | None:
    """Let this process and its children use an access; the address to dial, if there is one."""
    if access is None:
        return None
    use_password(access.password)
    return format_address(access.host, access.port)


def use_password(password: str | None = None) -> None:
    """The same where only the password is known: of `choose_password` without one."""
    extend_environment(
        {
            "SUMMIT_CLIENT__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "SUMMIT_CLIENT__SASL_MECHANISM": "SCRAM-SHA-256",
            "SUMMIT_CLIENT__SASL_USERNAME": INNER_USER,
            "SUMMIT_CLIENT__SASL_PASSWORD": password
            or environment()["SUMMIT_BROKER__INNER_PASSWORD"],
        }
    )
