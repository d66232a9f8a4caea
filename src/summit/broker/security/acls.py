"""Access control lists: who may do what with what. Facts of the metadata log; names as in Kafka.

A denying entry goes before every allowing one; where nothing is said nothing is allowed. Of what
matches a resource count entries for its name, for a beginning of it, and for `*`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from summit.base.errors import SummitError
from summit.broker.commit import CommitScheduler
from summit.broker.metadata_log import AccessDeleted, AccessEntry, Fact, MetadataLog
from summit.protocol import acls

Done = Callable[[SummitError | None], None]

_DECISIONS_MAX: Final = 20_000
_EVERYBODY: Final = "User:*"


class Filter(NamedTuple):
    """What entries are meant: None and `acls.ANY` mean every one."""

    resource: int
    name: str | None
    pattern: int
    principal: str | None
    host: str | None
    operation: int
    permission: int

    def matches(self, entry: AccessEntry) -> bool:
        """Whether an entry is meant."""
        return (
            self.resource in (acls.ANY, entry.resource)
            and self.operation in (acls.ANY, entry.operation)
            and self.permission in (acls.ANY, entry.permission)
            and self.principal in (None, entry.principal)
            and self.host in (None, entry.host)
            and self._names(entry)
        )

    def _names(self, entry: AccessEntry) -> bool:
        if self.pattern not in (acls.ANY, acls.MATCH, entry.pattern):
            return False
        if self.name is None:
            return True
        if self.pattern == acls.MATCH:
            return speaks_of(entry, self.name)
        return entry.name == self.name


def speaks_of(entry: AccessEntry, name: str) -> bool:
    """Whether an entry says anything about the resource of a name."""
    if entry.pattern == acls.PREFIXED:
        return name.startswith(entry.name)
    return entry.name in (name, acls.WILDCARD)


class Acls:
    """All entries of this broker. Loop thread only."""

    def __init__(self, metadata: MetadataLog, commit: CommitScheduler) -> None:
        self._metadata = metadata
        self._commit = commit
        self._entries: dict[AccessEntry, None] = {}
        self._decisions: dict[tuple[str, str, int, int, str], bool] = {}

    def find(self, wanted: Filter) -> list[AccessEntry]:
        """The entries that are meant."""
        return [entry for entry in self._entries if wanted.matches(entry)]

    def alter(self, made: Sequence[AccessEntry], gone: Iterable[AccessEntry], done: Done) -> None:
        """Make and delete entries; `done` hears when that is durable. Raises SummitError."""
        before = dict(self._entries)
        gone = list(gone)
        for entry in made:
            self._metadata.stage(entry)
        for entry in gone:
            self._metadata.stage(AccessDeleted(entry))
        for entry in made:
            self._entries[entry] = None
        for entry in gone:
            self._entries.pop(entry, None)
        self._decisions.clear()

        def durable(error: SummitError | None) -> None:
            if error is not None:
                self._entries = before
                self._decisions.clear()
            done(error)

        self._commit.when_durable(durable, self._metadata.logs)

    def restore(self, entries: Iterable[AccessEntry]) -> None:
        """Bring back what the metadata log says."""
        self._entries = dict.fromkeys(entries)

    def live_facts(self) -> list[Fact]:
        """Every fact of this class that the metadata log must hold."""
        return list(self._entries)

    # ---- decisions ----

    def allows(self, principal: str, host: str, operation: int, resource: int, name: str) -> bool:
        """Whether somebody may do something with a resource."""
        place = (principal, host, operation, resource, name)
        known = self._decisions.get(place)
        if known is None:
            if len(self._decisions) >= _DECISIONS_MAX:
                self._decisions.clear()
            known = self._decisions[place] = self._decide(*place)
        return known

    def allows_somewhere(self, principal: str, host: str, operation: int, resource: int) -> bool:
        """Whether somebody may do something with any resource of a kind."""
        names = [
            entry.name
            for entry in self._entries
            if entry.resource == resource
            and entry.permission == acls.ALLOW
            and entry.operation in (operation, acls.ALL)
        ]
        return any(self.allows(principal, host, operation, resource, name) for name in names)

    def _decide(self, principal: str, host: str, operation: int, resource: int, name: str) -> bool:
        enough = {operation, acls.ALL, *acls.IMPLIED.get(operation, ())}
        is_allowed = False
        for entry in self._entries:
            if (
                entry.resource == resource
                and entry.principal in (principal, _EVERYBODY)
                and entry.host in (host, acls.WILDCARD)
                and speaks_of(entry, name)
            ):
                if entry.permission == acls.DENY:
                    if entry.operation in (operation, acls.ALL):
                        return False
                elif entry.operation in enough:
                    is_allowed = True
        return is_allowed
