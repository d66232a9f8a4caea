"""API keys: made, kept as hashes, checked.

    sk_summit_4h7k2m9xqw_Zk1v…        the prefix, the key's id, 256 random bits

Only the SHA-256 of the whole text is kept; what is random to 256 bits needs no slower hash. The id
and the first characters are shown everywhere, the secret once, when the key is made.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec

from summit.base.errors import Invalid
from summit.identity.credentials import digest, same_as_one
from summit.identity.principal import Grant, Principal, read_grants, read_role

KEY_PREFIX: Final = "sk_summit_"
ID_CHARS: Final = 10
NAME_CHARS_MAX: Final = 200
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
_NOTHING: Final = digest(b"")


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A key as it is kept.

    Attributes:
        id: Stands in the key; the key of its record.
        name: Whose it is, or what for; the name of its principal.
        role: One of `ROLES`.
        grants: As they are written; None = what the role brings.
        digest: SHA-256 of the key, hexadecimal.
        created_at: Milliseconds since 1970 UTC, as all times here.
        created_by: Name of the principal.
        expires_at: From when on it does not hold; None = never.
        revoked_at: From when on it was revoked; None = it was not.
    """

    id: str
    name: str
    role: str
    grants: list[str] | None = None
    digest: str
    created_at: int
    created_by: str
    expires_at: int | None = None
    revoked_at: int | None = None
    revoked_by: str | None = None

    def state(self, now_ms: int) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now_ms:
            return "expired"
        return "active"

    def shown(self, now_ms: int) -> dict[str, Any]:
        """As it is told: without the hash, which concerns nobody."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        del plain["digest"]
        return {**plain, "prefix": f"{KEY_PREFIX}{self.id}", "state": self.state(now_ms)}


def mint_key(
    *, name: str, role: str, grants: list[str] | None, by: str, now_ms: int,
    expires_ms: int | None = None,
) -> tuple[str, ApiKey]:  # fmt: skip
    """A new key: the text that is told once, and what is kept.

    Args:
        grants: As they are written; None = what the role brings.
        expires_ms: From when on it does not hold; None = never.
    Raises: Invalid("key.invalid").
    """
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_CHARS_MAX:
        reason = f"the name is a text of 1 to {NAME_CHARS_MAX} characters"
        raise Invalid("key.invalid", reason=reason, pointer="/name")
    if not name.isprintable():
        raise Invalid("key.invalid", reason="the name holds what is no print", pointer="/name")
    read_role(role)
    read = read_grants(grants, role)
    if role == "none" and not read:
        reason = "a key of the role none needs grants, or it may do nothing"
        raise Invalid("key.invalid", reason=reason, pointer="/grants")
    if expires_ms is not None and expires_ms <= now_ms:
        raise Invalid("key.invalid", reason="it would have expired already", pointer="/expiresAt")
    key_id = "".join(secrets.choice(_LETTERS) for _ in range(ID_CHARS))
    text = f"{KEY_PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    key = ApiKey(
        id=key_id, name=name.strip(), role=role,
        grants=None if read is None else [str(grant) for grant in read],
        digest=digest(text.encode()).hex(), created_at=now_ms, created_by=by,
        expires_at=expires_ms,
    )  # fmt: skip
    return text, key


class KeyRing:
    """The keys that are known, by id; folds the records of their topic in log order."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}
        self._grants: dict[str, tuple[Grant, ...] | None] = {}
        self._digests: dict[str, bytes] = {}
        self.unreadable = 0  # records that are no keys

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take the next record; what is no key is counted and holds nothing."""
        key_id = (key or b"").decode("utf-8", "replace")
        if value is None:
            self._keys.pop(key_id, None)
            return
        try:
            found = msgspec.json.decode(value, type=ApiKey)
            if found.id != key_id or not key_id:
                raise ValueError(key_id)
            read_role(found.role)
            grants = read_grants(found.grants, found.role)
            digested = bytes.fromhex(found.digest)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, Invalid):
            # Whoever wrote it, the key that stood there may have been meant: it holds no more.
            self._keys.pop(key_id, None)
            self.unreadable += 1
            return
        self._keys[key_id], self._grants[key_id] = found, grants
        self._digests[key_id] = digested

    def get(self, key_id: str) -> ApiKey:
        """One key. Raises Invalid("key.unknown")."""
        found = self._keys.get(key_id)
        if found is None:
            raise Invalid("key.unknown", id=key_id[:80])
        return found

    def listed(self) -> list[ApiKey]:
        """All keys, the latest first."""
        return sorted(self._keys.values(), key=lambda key: (-key.created_at, key.id))

    def check(self, text: str, now_ms: int) -> Principal:
        """Whose key it is. Raises Invalid("auth.refused")."""
        key_id = text[len(KEY_PREFIX) :].partition("_")[0]
        found = self._keys.get(key_id)
        # An unknown id is compared too, with what nothing equals.
        kept = self._digests[key_id] if found is not None else _NOTHING
        holds = same_as_one(digest(text.encode("utf-8", "replace")), [kept])
        if found is None or not holds:
            raise Invalid("auth.refused", reason="the API key is not known")
        state = found.state(now_ms)
        if state != "active":
            raise Invalid("auth.refused", reason=f"the API key is {state}")
        return Principal(
            found.name, "key", found.role, self._grants[key_id], key_id, found.expires_at
        )

    def holds(self, principal: Principal, now_ms: int) -> bool:
        """Whether the key that a principal came with still holds."""
        if principal.key_id is None:
            return True
        found = self._keys.get(principal.key_id)
        return found is not None and found.state(now_ms) == "active"
