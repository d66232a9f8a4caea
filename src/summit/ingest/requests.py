"""Requests that are answered one by one: their events written, each told, by key written once.

What HTTP and gRPC have in common behind their parsing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import msgspec

from summit.base.clock import Clock
from summit.base.errors import SummitError, Unavailable
from summit.identity.rates import RateLimit
from summit.ingest.bodies import Batch
from summit.ingest.delivery import Delivery, Handed, Outcome
from summit.ingest.idempotency import Keys
from summit.ingest.notes import Note, Notes
from summit.ingest.settings import CollectorConfig
from summit.ingest.shaping import Headers, Shaped


class Result(msgspec.Struct, frozen=True):
    """Where one event of a request went."""

    index: int
    partition: int
    offset: int


class Refusal(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Why one event of a request was not written; it may have gone to the dead letters."""

    index: int
    code: str
    error: str
    dead_letter: bool = False


class Owner(Protocol):
    """The collector, as far as requests need it."""

    config: CollectorConfig

    def shape(
        self,
        slices: Any,
        values: Any,
        headers: Headers,
        sources: Callable[[int], str] | None = None,
        *,
        asked: str | None = None,
    ) -> Shaped: ...

    def rate_wait_ms(self, count: int) -> int: ...

    def count_outcomes(self, shaped: Shaped, handed: Handed, outcomes: list[Outcome]) -> None: ...

    def count_refused(self, error: SummitError, count: int = 1) -> None: ...


class Taken(NamedTuple):
    """What became of a request that was not refused as a whole."""

    batch: Batch
    shaped: Shaped
    handed: Handed
    outcomes: list[Outcome]
    results_max: int
    is_atomic: bool

    def answer(self, *, with_all: bool = False) -> dict[str, Any]:
        """The counts, and a row per event unless there are too many.

        Raises: SummitError, in a request that is atomic, for a record that the broker refuses.
        """
        outcomes = self.outcomes
        if (
            not self.shaped.refused and not self.batch.faults and not self.shaped.sampled
            and not any(isinstance(outcome, SummitError) for outcome in outcomes)
        ):  # fmt: skip
            answer: dict[str, Any] = {"accepted": len(outcomes), "rejected": 0}
            if with_all or len(outcomes) <= self.results_max:
                answer["results"] = [
                    Result(index, ack.partition, ack.offset)  # type: ignore[union-attr]
                    for index, ack in enumerate(outcomes)
                ]
            return answer
        return self._mixed_answer(with_all=with_all)

    def _mixed_answer(self, *, with_all: bool) -> dict[str, Any]:
        """The answer where not every event was written."""
        rows: dict[int, Result | Refusal] = {}
        faults: dict[int, SummitError] = {**self.shaped.refused}
        written = 0
        for draft, outcome in zip(self.handed.drafts, self.outcomes, strict=True):
            if isinstance(outcome, SummitError):
                faults[draft.place] = outcome
            elif draft.is_letter:
                fault = faults.pop(draft.place)
                rows[draft.place] = Refusal(draft.place, fault.code, str(fault), dead_letter=True)
            else:
                written += 1
                rows[draft.place] = Result(draft.place, outcome.partition, outcome.offset)
        if faults and self.is_atomic:
            first = next(iter(faults.values()))  # the broker itself refuses this record for ever
            first.details["counted"] = True
            raise first
        for index, fault in faults.items():
            rows[index] = Refusal(index, fault.code, str(fault))
        places = self.batch.indexes
        if places is not None:
            rows = {
                places[index]: msgspec.structs.replace(row, index=places[index])
                for index, row in rows.items()
            }
        for index, fault in self.batch.faults.items():
            rows[index] = Refusal(index, fault.code, str(fault))
        refused = len(rows) - written
        answer: dict[str, Any] = {"accepted": written, "rejected": refused}
        if self.shaped.sampled:
            answer["sampled"] = len(self.shaped.sampled)
        if with_all or len(rows) <= self.results_max:
            answer["results"] = [rows[index] for index in sorted(rows)]
        return answer


class Requests:
    """The requests of one collector.

    Args:
        owner: Its collector, whose block has `on_error`, `max_results`, and the rate of a sender.
        mark: What keys are marked with among its notes and coordinates; nothing where it has no
            other notes.
    """

    def __init__(
        self, owner: Owner, delivery: Delivery, notes: Notes, clock: Clock,
        *, prefix: str, mark: str = "",
    ) -> None:  # fmt: skip
        block = owner.config.block
        self._owner = owner
        self._delivery = delivery
        self._keys = Keys(notes, clock, mark)
        self._prefix = f"{prefix}:{mark}"
        self._is_atomic = block.on_error == "atomic"
        self._results_max = block.max_results
        self._rate = RateLimit.of(block.rate_limit, block.rate_burst, clock)

    async def once(
        self, key: str, content: bytes, take: Callable[[], Awaitable[dict[str, Any]]]
    ) -> tuple[Note | None, dict[str, Any]]:
        """The note of a request that had its answer; else take it, and note its answer.

        Raises: SummitError: as `Keys.begin`, and as `take`.
        """
        note = self._keys.begin(key, content)
        if note is not None:
            return note, {}
        try:
            answer = await take()
            await self._keys.answered(key, 200, msgspec.json.encode(answer))
        finally:
            self._keys.ended(key)
        return None, answer

    async def write(
        self, batch: Batch, headers: Headers, size_bytes: int, key: str | None, sender: str,
        *, finish: Callable[[Shaped], Shaped] | None = None, topic: str | None = None,
        is_later: bool | None = None,
    ) -> Taken:  # fmt: skip
        """Write the events of a request; returns when the broker has them.

        Args:
            key: The one that the request is in flight under.
            sender: Whose rate it is.
            finish: Changes records before they are written.
            topic: The one that the request asks for; it may.
            is_later: Of a part of a request, which is never atomic: whether others of it are
                written, so that it waits for room and rates instead of being refused.
        Raises: Invalid, in a request that is atomic, for the first event that is refused;
            Unavailable("ingest.rate_limited"), ("ingest.queue_full"), ("ingest.broker_away").
        """
        owner = self._owner
        atomic = self._is_atomic and is_later is None
        if batch.faults:
            owner.count_refused(next(iter(batch.faults.values())), len(batch.faults))
        sources = None if key is None else partial(_source, f"{self._prefix}{key}:")
        shaped = owner.shape(batch.slices, batch.values, headers, sources, asked=topic)
        if shaped.refused and atomic and owner.config.on_invalid != "deadLetter":
            raise next(iter(shaped.refused.values()))
        if finish is not None:
            shaped = finish(shaped)
        if is_later:
            await self._wait_for_room(sender, len(batch.slices), size_bytes)
        else:
            self._check_room(sender, len(batch.slices), size_bytes)
        unclear = None if key is None else self._keys.unclear(key)
        if unclear is not None:
            handed = self._delivery.resend(unclear)
        else:
            handed = self._delivery.hand_over(shaped.drafts, size_bytes)
        try:
            outcomes = await self._delivery.settle(handed)
        except SummitError as error:
            if key is not None and handed.futures is not None:
                self._keys.left_unclear(key, handed)
            self._refuse(error, len(batch.slices))
            raise
        owner.count_outcomes(shaped, handed, outcomes)
        if key is not None:
            self._keys.left_unclear(key, handed)  # until its note is written
        return Taken(batch, shaped, handed, outcomes, self._results_max, atomic)

    async def write_part(self, part: Batch, headers: Headers, sender: str, is_later: bool) -> Taken:
        """Write some events of a request that has no key; each is told what became of it.

        Args:
            is_later: Others of the request are written: it waits for room. Raises as `write`.
        """
        size_bytes = sum(map(len, part.slices))
        return await self.write(part, headers, size_bytes, None, sender, is_later=is_later)

    async def _wait_for_room(self, sender: str, count: int, size_bytes: int) -> None:
        while self._rate is not None and (wait_ms := self._rate.take(sender, count)):
            await asyncio.sleep(wait_ms / 1000)
        while wait_ms := self._owner.rate_wait_ms(count):
            await asyncio.sleep(wait_ms / 1000)
        await self._delivery.room(size_bytes)

    def _check_room(self, sender: str, count: int, size_bytes: int) -> None:
        wait_ms = self._rate.take(sender, count) if self._rate is not None else 0
        wait_ms = wait_ms or self._owner.rate_wait_ms(count)
        try:
            if wait_ms:
                name = self._owner.config.name
                raise Unavailable("ingest.rate_limited", name=name, retry_after_ms=wait_ms)
            self._delivery.check_room(size_bytes)
        except Unavailable as error:
            self._refuse(error, count)
            raise

    def _refuse(self, error: SummitError, count: int) -> None:
        self._owner.count_refused(error, count)
        error.details["counted"] = True


def _source(prefix: str, index: int) -> str:
    return f"{prefix}{index}"
