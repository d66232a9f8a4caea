"""Collectors that senders wait on: events come in, records go out, each sender hears what became
of its own. Base of all types that listen or subscribe.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.client.dead_letters import dead_letter_topic
from summit.identity.rates import RateLimit
from summit.ingest.auth import Authenticator, AuthOptions
from summit.ingest.collector import Collector
from summit.ingest.delivery import RETRY_AFTER_MS, Delivery, Handed, Outcome
from summit.ingest.notes import Notes
from summit.ingest.producing import Producer
from summit.ingest.settings import SHAPING, CollectorConfig
from summit.ingest.shaping import Headers, Shaped, Shaper
from summit.ingest.topics import addresses_of, ensure_topic

RETRY_S: Final = 0.2
_HOUR_MS: Final = 3_600_000


class TakingCollector(Collector):
    """Base of collectors whose senders wait for the broker's acknowledgement.

    A type has a block of options with `headers`, `max_in_flight_bytes` and `ack_timeout_ms`, opens
    its way in in `_listen` and closes it in `_hang_up`. It asks `check_open`, shapes events by
    `shape`, gives records to `_delivery`, and has `count_outcomes` count the outcome.
    """

    knows = SHAPING

    def __init__(
        self,
        config: CollectorConfig,
        *,
        producer: Producer | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(config, producer=producer, clock=clock)
        block = config.block
        self._shaper = Shaper(config, self._clock)
        self._delivery = Delivery(
            config, self, self._clock,
            max_in_flight_bytes=block.max_in_flight_bytes, ack_timeout_ms=block.ack_timeout_ms,
        )  # fmt: skip
        self._limit = RateLimit.of(config.rate_limit, config.rate_burst, self._clock)
        hours = getattr(block, "idempotency_hours", 24.0)
        self._prefix = f"{config.type}:{config.name}"
        self._headers = [(name, text.encode()) for name, text in block.headers.items()]
        self._auth: Authenticator | None = None
        self._notes = Notes(self._prefix, round(hours * _HOUR_MS), self._clock)

    async def _open(self, producer: Producer) -> None:
        addresses = addresses_of(producer)
        if addresses:
            await ensure_topic(addresses, self.config.topic)
            if self.config.on_invalid == "deadLetter":
                await ensure_topic(addresses, dead_letter_topic(self.config.topic))
        self._delivery.open(producer)
        if self.guarantee == "effectively_once":
            self._delivery.found = await self._notes.open(producer, self.config.topic)
        await self._listen()

    async def _close(self) -> None:
        self._delivery.flush()
        await self._hang_up()
        if self._auth is not None:
            await self._auth.close()
        self._delivery.close()

    async def _open_auth(self, options: AuthOptions) -> None:
        """Ask senders who they are from now on."""
        self._auth = auth = Authenticator(options)
        await auth.open()

    @abstractmethod
    async def _listen(self) -> None:
        """Open the way in; when this returns, events are taken."""

    @abstractmethod
    async def _hang_up(self) -> None:
        """Take nothing new, answer what was taken, close the way in; also after a failed start."""

    def _details(self) -> dict[str, Any]:
        return {"inFlightBytes": self._delivery.in_flight_bytes}

    # ---- one batch ----

    def check_open(self) -> None:
        """Refuse while not running, and at once while the broker is known to be away.

        Raises: Unavailable("collector.not_taking"), ("ingest.broker_away").
        """
        if self._state not in ("running", "degraded"):
            raise Unavailable(
                "collector.not_taking", name=self.name, state=self._state,
                retry_after_ms=RETRY_AFTER_MS,
            )  # fmt: skip
        self._delivery.check_away()

    def rate_wait_ms(self, count: int) -> int:
        """Take `count` events of the collector's rate; 0, or how long their sender must wait."""
        return 0 if self._limit is None else self._limit.take("", count)

    def headers(self, *more: tuple[str, bytes]) -> Headers:
        """The record headers of what came now: `more` before those of the options."""
        return [("summit.received-at", b"%d" % self._clock.now_ms()), *more, *self._headers]

    def shape(
        self,
        slices: Sequence[bytes],
        values: Sequence[dict[str, Any]],
        headers: Headers,
        sources: Callable[[int], str] | None = None,
        *,
        asked: str | None = None,
    ) -> Shaped:
        """The records of a batch; what is left out or refused is counted by `count_outcomes`."""
        return self._shaper.shape(slices, values, headers, sources, asked=asked)

    def count_refused(self, error: SummitError, count: int = 1) -> None:
        """Count events that were refused, or as one what holds them."""
        self._rejected.add(count)
        self._note_error(error)

    def count_outcomes(self, shaped: Shaped, handed: Handed, outcomes: Sequence[Outcome]) -> None:
        """Count what became of a batch."""
        count = size_bytes = letters = failed = 0
        for draft, outcome in zip(handed.drafts, outcomes, strict=True):
            if isinstance(outcome, SummitError):
                failed += 1
                self._note_error(outcome)
            elif draft.is_letter:
                letters += 1
            else:
                count += 1
                size_bytes += len(draft.value)
        self._sampled += len(shaped.sampled)
        self._dead_letters += letters
        refused = len(shaped.refused) + failed
        if refused:
            self._rejected.add(refused)
            if shaped.refused:
                self._note_error(next(iter(shaped.refused.values())))
        if count:
            self._note_accepted(count, size_bytes)

    # ---- where nobody hears of a refusal, or would send again ----

    def shape_unanswered(
        self, slices: Sequence[bytes], values: Sequence[dict[str, Any]], headers: Headers
    ) -> Shaped:
        """As `shape`; what is refused is a dead letter, as it cannot go back to its sender."""
        shaped = self.shape(slices, values, headers)
        if self.config.on_invalid == "reject":
            for index, fault in shaped.refused.items():
                shaped.drafts.append(self._shaper.letter(index, slices[index], headers, fault))
        return shaped

    async def settle_unanswered(self, shaped: Shaped, handed: Handed) -> None:
        """Wait until the broker has said what becomes of records, and count it.

        They are sent again as long as it does not say; what it never takes is a dead letter.
        """
        outcomes = await self._settle_at_last(handed)
        self.count_outcomes(shaped, handed, outcomes)
        letters = [
            self._shaper.letter(draft.place, draft.value, draft.headers, outcome)
            for draft, outcome in zip(handed.drafts, outcomes, strict=True)
            if isinstance(outcome, Invalid) and not draft.is_letter
        ]
        if letters:
            again = self._delivery.hand_over(letters, 0)
            self.count_outcomes(Shaped([], {}, []), again, await self._settle_at_last(again))

    async def _settle_at_last(self, handed: Handed) -> list[Outcome]:
        while True:
            try:
                return await self._delivery.settle(handed)
            except SummitError as error:
                self._note_error(error)
                await asyncio.sleep(RETRY_S)
                await self._delivery.room(0)
                handed = self._delivery.resend(handed)
