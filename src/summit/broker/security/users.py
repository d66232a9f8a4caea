"""Users and their SCRAM credentials: facts of the metadata log. No password is ever kept."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from summit.base.errors import SummitError
from summit.broker.commit import CommitScheduler
from summit.broker.metadata_log import Fact, MetadataLog, UserCredential, UserCredentialDeleted
from summit.protocol import scram
from summit.protocol.scram import ScramCredential

Done = Callable[[SummitError | None], None]
Credentials = Mapping[str, ScramCredential]  # by mechanism

_NONE: Final[Credentials] = {}


class Change(NamedTuple):
    """One credential that is set, or deleted where it is None."""

    user: str
    mechanism: str
    credential: ScramCredential | None


class Users:
    """All users of this broker. Loop thread only.

    Attributes:
        on_deleted: Hears of a user whose last credential is gone, durably.
    """

    def __init__(self, metadata: MetadataLog, commit: CommitScheduler) -> None:
        self.on_deleted: Callable[[str], None] = lambda user: None
        self._metadata = metadata
        self._commit = commit
        self._known: dict[str, dict[str, ScramCredential]] = {}
        self._salt_key = secrets.token_bytes(32)

    @property
    def names(self) -> list[str]:
        """All users, sorted."""
        return sorted(self._known)

    def credentials(self, user: str) -> Credentials:
        """What is kept of a user, by mechanism; empty for one that does not exist."""
        return self._known.get(user, _NONE)

    def credential_or_decoy(self, user: str, mechanism: str) -> tuple[ScramCredential, bool]:
        """A user's credential, and whether it is one.

        For a user that does not exist one is made up, the same each time, so that nobody learns
        from an exchange who exists.
        """
        found = self.credentials(user).get(mechanism)
        if found is not None:
            return found, True
        size = 32 if mechanism == scram.SCRAM_SHA_256 else 64
        salt = hmac.digest(self._salt_key, f"{mechanism}:{user}".encode(), "sha256")
        key = secrets.token_bytes(size)
        return ScramCredential(salt[: scram.SALT_BYTES], scram.ITERATIONS, key, key), False

    def alter(self, changes: Sequence[Change], done: Done) -> None:
        """Set and delete credentials; `done` hears when that is durable. Raises SummitError."""
        before = {change.user: dict(self.credentials(change.user)) for change in changes}
        for change in changes:
            self._metadata.stage(_fact(change))
        for change in changes:
            self._apply(change)

        def durable(error: SummitError | None) -> None:
            if error is not None:
                for user, credentials in before.items():
                    self._known[user] = credentials
                    if not credentials:
                        del self._known[user]
            done(error)
            if error is None:
                for user, credentials in before.items():
                    if credentials and user not in self._known:
                        self.on_deleted(user)

        self._commit.when_durable(durable, self._metadata.logs)

    def restore(self, kept: Mapping[tuple[str, str], UserCredential]) -> None:
        """Bring back what the metadata log says."""
        for fact in kept.values():
            credential = ScramCredential(
                fact.salt, fact.iterations, fact.stored_key, fact.server_key
            )
            self._apply(Change(fact.user, fact.mechanism, credential))

    def live_facts(self) -> list[Fact]:
        """Every fact of this class that the metadata log must hold."""
        return [
            _fact(Change(user, mechanism, credential))
            for user, credentials in self._known.items()
            for mechanism, credential in credentials.items()
        ]

    def _apply(self, change: Change) -> None:
        credentials = self._known.setdefault(change.user, {})
        if change.credential is not None:
            credentials[change.mechanism] = change.credential
        else:
            credentials.pop(change.mechanism, None)
        if not credentials:
            del self._known[change.user]


def new_changes(user: str, password: str) -> list[Change]:
    """Credentials for every SCRAM mechanism out of a password. Takes milliseconds on purpose."""
    changes = []
    for mechanism in scram.HASHES:
        salt = secrets.token_bytes(scram.SALT_BYTES)
        credential = scram.make_credential(mechanism, password, salt, scram.ITERATIONS)
        changes.append(Change(user, mechanism, credential))
    return changes


def _fact(change: Change) -> Fact:
    user, mechanism, credential = change
    if credential is None:
        return UserCredentialDeleted(user, mechanism)
    return UserCredential(
        user, mechanism, credential.salt, credential.iterations, credential.stored_key,
        credential.server_key,
    )  # fmt: skip
