"""Audit entries: who did what, from where, and what came of it. One record each.

{"at": 1764…, "by": "ada", "kind": "key", "role": "operator", "keyId": "4h7k2m9xqw",
 "address": "10.1.2.3", "action": "DELETE /api/topics/{name}", "target": "orders",
 "outcome": "done", "status": 200, "requestId": "0192…", "service": "streaming"}
"""

from __future__ import annotations

from typing import Literal

import msgspec

from summit.identity.principal import Principal

Outcome = Literal["done", "failed", "refused"]


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What is told of one request; never a secret, never a body.

    Attributes:
        at: When it came, milliseconds since 1970 UTC.
        by: Name of the principal; `anonymous` where it proved nothing.
        address: From where; empty where that is not known.
        action: What was asked for.
        target: What it was to happen to.
        outcome: `refused`: they may not; `failed`: they may, and it did not come about.
        code: The error's, where there was one.
    """

    at: int
    by: str
    kind: str
    role: str
    key_id: str | None = None
    address: str = ""
    action: str
    target: str = ""
    outcome: Outcome
    status: int = 0
    code: str = ""
    request_id: str = ""
    service: str = ""

    @classmethod
    def of(cls, principal: Principal, **more: object) -> AuditEntry:
        """An entry about what a principal did."""
        return cls(
            by=principal.name, kind=principal.kind, role=principal.role,
            key_id=principal.key_id, **more,  # type: ignore[arg-type]
        )  # fmt: skip
