"""Principals: who asks, with a role and with grants on topics.

    role    none < viewer < analyst < operator < admin      each may what those before it may
    grant   read:orders.      topics whose names begin with `orders.` may be read
            produce:orders    `produce:*` and the like mean all topics but internal ones
            admin:team-a.     topics may be made, changed and deleted

Who has grants may on topics what they say and no more; who has none may what the role brings:
viewers and analysts read all topics, operators also write and administer them. Internal topics
(`_summit.*`, `__*`) are for admins alone, who need no grants.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from summit.base.config import suggestion
from summit.base.errors import Invalid

ROLES: Final = ("none", "viewer", "analyst", "operator", "admin")
ACTIONS: Final = ("read", "produce", "admin")
_PREFIX: Final = re.compile(r"\*|[A-Za-z0-9._-]{1,249}\*?", re.ASCII)
_OF_ROLE: Final = {
    "none": (), "viewer": ("read",), "analyst": ("read",), "operator": ACTIONS, "admin": ACTIONS,
}  # fmt: skip
GRANTS_MAX: Final = 200
Kind = Literal["anonymous", "local", "key", "token", "certificate", "user"]


class Grant(NamedTuple):
    """One action on the topics whose names begin with a prefix."""

    action: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.action}:{self.prefix or '*'}"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        name: A key's, a token's subject, a certificate's.
        kind: By what they proved it; `local`: nobody is asked on the loopback address.
        role: One of `ROLES`.
        grants: What they may do on topics; None = what the role brings.
        key_id: The API key, where it was one.
        expires_ms: From when on they are nobody any more, milliseconds since 1970 UTC.
    """

    name: str
    kind: Kind
    role: str = "none"
    grants: tuple[Grant, ...] | None = None
    key_id: str | None = None
    expires_ms: int | None = None

    def has_role(self, role: str) -> bool:
        """Whether the principal's role is this one or a higher one.

        >>> Principal("ada", "key", "analyst").has_role("viewer")
        True
        """
        return ROLES.index(self.role) >= ROLES.index(role)

    def may(self, action: str, topic: str) -> bool:
        """Whether the principal may do this to a topic.

        >>> ada = Principal("ada", "key", "viewer", (Grant("produce", "orders."),))
        >>> ada.may("produce", "orders.eu"), ada.may("read", "orders.eu"), ada.may("read", "x")
        (True, False, False)
        """
        if self.role == "admin":
            return True
        if is_internal(topic):
            return False
        if self.grants is None:
            return action in _OF_ROLE[self.role]
        return any(grant.action == action and topic.startswith(grant.prefix)
                   for grant in self.grants)  # fmt: skip

    def may_everywhere(self, action: str) -> bool:
        """Whether the principal may do this to every topic that is not internal."""
        return (
            self.may(action, "")
            if self.grants is None or self.role == "admin"
            else any(grant.action == action and not grant.prefix for grant in self.grants)
        )

    def to_dict(self) -> dict[str, Any]:
        """As services tell it."""
        grants = None if self.grants is None else [str(grant) for grant in self.grants]
        return {
            "name": self.name, "kind": self.kind, "role": self.role, "grants": grants,
            "keyId": self.key_id, "expiresAt": self.expires_ms,
        }  # fmt: skip


ANONYMOUS: Final = Principal("anonymous", "anonymous")
LOCAL: Final = Principal("local", "local", "admin")


def is_internal(topic: str) -> bool:
    """Whether a topic is the broker's or Summit's own.

    >>> is_internal("_summit.progress"), is_internal("__consumer_offsets"), is_internal("_mine")
    (True, True, False)
    """
    return topic.startswith(("_summit.", "__"))


def read_role(text: Any, pointer: str = "/role") -> str:
    """A role. Raises Invalid("key.invalid")."""
    if not isinstance(text, str) or text not in ROLES:
        hint = suggestion(text, ROLES) if isinstance(text, str) else ""
        reason = f"the role is one of {', '.join(ROLES)}{hint}"
        raise Invalid("key.invalid", reason=reason, pointer=pointer)
    return text


def read_grants(
    texts: Iterable[str] | None, role: str, pointer: str = "/grants"
) -> tuple[Grant, ...] | None:
    """Grants as they are written, `action:prefix`; the prefix may end in `*`.

    Raises: Invalid("key.invalid").

    Example:
        >>> [str(grant) for grant in read_grants(["read:*", "produce:orders.*"], "none")]
        ['read:*', 'produce:orders.']
    """
    if texts is None:
        return None
    found = []
    for place, text in enumerate(texts):
        action, colon, prefix = text.partition(":")
        if action not in ACTIONS or not colon or not _PREFIX.fullmatch(prefix):
            reason = (
                f"'{text[:80]}' is no grant: write action:prefix, the action one of "
                f"{', '.join(ACTIONS)}, the prefix that of topics' names, or *"
            )
            raise Invalid("key.invalid", reason=reason, pointer=f"{pointer}/{place}")
        grant = Grant(action, prefix.removesuffix("*"))
        if is_internal(grant.prefix):
            reason = f"'{text[:80]}': internal topics are for the role admin alone"
            raise Invalid("key.invalid", reason=reason, pointer=f"{pointer}/{place}")
        if grant not in found:
            found.append(grant)
    if len(found) > GRANTS_MAX:
        reason = f"{len(found)} grants are too many; at most {GRANTS_MAX}"
        raise Invalid("key.invalid", reason=reason, pointer=pointer)
    if found and role == "admin":
        reason = "the role admin has no grants: it could give itself any other"
        raise Invalid("key.invalid", reason=reason, pointer=pointer)
    return tuple(found)
