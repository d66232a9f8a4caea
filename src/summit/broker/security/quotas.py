"""Quotas: how many bytes a second a user or a client id may produce and fetch (KIP-13, KIP-219).

Facts of the metadata log. Who is over its rate is answered with the time that it should rest, and
is not listened to for so long. Rates are measured with a bucket that holds ten seconds' worth, so
that a short burst is let through; all connections of an entity share one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from summit.base.clock import Clock
from summit.base.errors import SummitError
from summit.broker.commit import CommitScheduler
from summit.broker.metadata_log import Fact, MetadataLog, QuotaSet
from summit.broker.security.listeners import INNER

if TYPE_CHECKING:
    from summit.broker.request import Request

USER: Final = "user"
CLIENT_ID: Final = "client-id"
PRODUCE: Final = "producer_byte_rate"
FETCH: Final = "consumer_byte_rate"
KEYS: Final = (PRODUCE, FETCH)

_WINDOW_S: Final = 10.0
THROTTLE_MS_MAX: Final = 10_000  # much longer, and clients take the broker for gone
_BUCKETS_MAX: Final = 10_000

# Kind and name of each part, by kind; a name of None is the default.
Entity = tuple[tuple[str, str | None], ...]
Done = Callable[[SummitError | None], None]


class Quotas:
    """All quotas of this broker, and what clients have used of them. Loop thread only.

    Attributes:
        is_any: Whether there are quotas at all.
    """

    def __init__(
        self,
        metadata: MetadataLog,
        commit: CommitScheduler,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._metadata = metadata
        self._commit = commit
        self._clock = clock
        self._loop = loop
        self._known: dict[Entity, dict[str, float]] = {}
        # What an entity has left (may be below zero), and when that was.
        self._buckets: dict[tuple[str, Entity], tuple[float, float]] = {}
        self.is_any = False

    def all(self) -> Mapping[Entity, Mapping[str, float]]:
        """What is set, by entity."""
        return self._known

    def alter(self, changes: Mapping[Entity, Mapping[str, float | None]], done: Done) -> None:
        """Set values, remove those that are None; `done` hears when it is durable. Raises
        SummitError."""
        before = self._known
        after = {entity: dict(values) for entity, values in before.items()}
        for entity, wanted in changes.items():
            values = {**after.get(entity, {}), **wanted}
            after[entity] = {key: value for key, value in values.items() if value is not None}
            self._metadata.stage(QuotaSet(list(entity), after[entity]))
        self._use(after)

        def durable(error: SummitError | None) -> None:
            if error is not None:
                self._use(before)
            done(error)

        self._commit.when_durable(durable, self._metadata.logs)

    def restore(self, facts: Iterable[QuotaSet]) -> None:
        """Bring back what the metadata log says."""
        self._use({tuple(fact.entity): dict(fact.values) for fact in facts})

    def live_facts(self) -> list[Fact]:
        """Every fact of this class that the metadata log must hold."""
        return [QuotaSet(list(entity), dict(values)) for entity, values in self._known.items()]

    def _use(self, known: Mapping[Entity, Mapping[str, float]]) -> None:
        self._known = {entity: dict(values) for entity, values in known.items() if values}
        self._buckets.clear()
        self.is_any = bool(self._known)

    # ---- using ----

    def charge(self, request: Request, key: str, size_bytes: int) -> int:
        """Count bytes of a request, and have its connection rest if that is too much.

        Returns: How many milliseconds it rests, for the answer.
        """
        connection = request.connection
        found = self._find(connection.principal, request.client_id or "", key)
        if found is None or connection.listener.name == INNER:
            return 0
        entity, rate = found
        now_ms = self._clock.monotonic_ms()
        left, then_ms = self._buckets.pop((key, entity), (rate * _WINDOW_S, now_ms))
        left = min(rate * _WINDOW_S, left + rate * (now_ms - then_ms) / 1000) - size_bytes
        while len(self._buckets) >= _BUCKETS_MAX:  # the one that was used the longest ago
            del self._buckets[next(iter(self._buckets))]
        self._buckets[key, entity] = left, now_ms
        if left >= 0:
            return 0
        rest_ms = min(THROTTLE_MS_MAX, max(1, int(-left / rate * 1000)))
        connection.mute()
        self._loop.call_later(rest_ms / 1000, connection.unmute)
        return rest_ms

    def _find(self, principal: str, client_id: str, key: str) -> tuple[Entity, float] | None:
        """The quota of a client: the most particular one. An entity that is a default stands for
        each of those that it is one for."""
        user = principal.removeprefix("User:")
        for wanted in (
            ((CLIENT_ID, client_id), (USER, user)), ((CLIENT_ID, None), (USER, user)),
            ((USER, user),),
            ((CLIENT_ID, client_id), (USER, None)), ((CLIENT_ID, None), (USER, None)),
            ((USER, None),),
            ((CLIENT_ID, client_id),), ((CLIENT_ID, None),),
        ):  # fmt: skip
            value = self._known.get(wanted, {}).get(key)
            if value is not None:
                names = {CLIENT_ID: client_id, USER: user}
                return tuple((kind, names[kind]) for kind, _ in wanted), value
        return None
