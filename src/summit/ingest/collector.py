"""The life of every collector: states, counters, status, the event `data:ingested`.

created ─start→ running ⇄ paused ─stop→ stopped ─start→ running …
                  ⇅
               degraded (the broker is away; goes on by itself)       failed (start again)
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Literal, Self

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter, Listener, Payload
from summit.base.errors import Conflict, Invalid, SummitError
from summit.base.logs import get_logger
from summit.ingest.meters import Meter
from summit.ingest.producing import Producer
from summit.ingest.settings import CollectorConfig

State = Literal[
    "created", "running", "paused", "degraded", "completed", "failed", "stopping", "stopped"
]


class CollectorStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a collector is doing.

    Attributes:
        state: Where it is in its life.
        address: `host:port` where it listens; None when it does not.
        accepted: Events that the broker acknowledged.
        rejected: Events that were refused or went to the dead letters.
        dead_letters: Those of them that went to the dead letters.
        sampled: Events that sampling left out.
        bytes: Bytes of accepted events.
        rates: Accepted and rejected events and accepted bytes a second, over ten seconds.
        started_at: When it was started last, milliseconds since 1970 UTC.
        guarantee: `exactly_once`; `effectively_once`: what carries a key or number of its sender is
            written once, under that coordinate in `summit.src`; or `at_least_once`: a sender that
            got no answer sends again, and both are written; or `at_most_once`: its senders never
            know (syslog over UDP).
        last_error: The last thing that went wrong, and when (milliseconds since 1970 UTC).
        details: What only this type has.
    """

    name: str
    type: str
    topic: str
    state: State
    address: str | None
    accepted: int
    rejected: int
    dead_letters: int
    sampled: int
    bytes: int
    rates: dict[str, float]
    guarantee: str
    started_at: int | None
    last_error: str | None
    last_error_at: int | None
    details: dict[str, Any]


class Collector(ABC):
    """Base of all collectors.

    Args:
        config: Its configuration.
        producer: Only for `async with`; else `start` gets it.
        clock: Where time comes from.
    """

    type: str = ""
    guarantee: str = "at_least_once"
    # Of a plugin: the members of its configuration beyond name, type, topic and options that it
    # obeys. Others are refused, since they would be passed over in silence.
    knows: frozenset[str] = frozenset()

    def __init__(
        self,
        config: CollectorConfig,
        *,
        producer: Producer | None = None,
        clock: Clock | None = None,
    ) -> None:
        if config.type != self.type:
            raise Invalid(
                "config.invalid",
                reason=f"{type(self).__name__} takes type '{self.type}', not '{config.type}'",
                pointer="/type",
            )
        self.config = config
        self._clock: Clock = clock or SystemClock()
        self._given = producer
        self._producer: Producer | None = None
        self._emitter = Emitter()
        self._state: State = "created"
        self._open_gate = asyncio.Event()  # of types that wait before they take more
        self._accepted = Meter(self._clock)
        self._rejected = Meter(self._clock)
        self._bytes = Meter(self._clock)
        self._dead_letters = 0
        self._sampled = 0
        self._started_at: int | None = None
        self._last_error: str | None = None
        self._last_error_at: int | None = None
        self._log = get_logger(__name__).bind(collector=config.name)

    @property
    def name(self) -> str:
        """The collector's name."""
        return self.config.name

    @property
    def state(self) -> State:
        """Where it is in its life."""
        return self._state

    @property
    def address(self) -> str | None:
        """`host:port` where it listens, if it does."""
        return None

    def on(self, name: str, fn: Listener) -> None:
        """Call `fn(payload)` at every `data:ingested` or `error`."""
        self._emitter.on(name, fn)

    def once(self, name: str, fn: Listener) -> None:
        """Call `fn(payload)` at the next event of that name."""
        self._emitter.once(name, fn)

    def off(self, name: str, fn: Listener) -> None:
        """Call `fn` no more."""
        self._emitter.off(name, fn)

    async def start(self, producer: Producer) -> None:
        """Begin to collect; when this returns, it really listens or reads.

        Raises: Conflict("collector.running"); what the type says. After an error nothing runs.
        """
        if self._state in ("running", "paused", "degraded", "stopping"):
            raise Conflict("collector.running", name=self.name, state=self._state)
        if self._state in ("completed", "failed"):
            await self._close()
        self._producer = producer
        self._open_gate.set()
        try:
            await self._open(producer)
        except BaseException as error:  # a plugin's may be any; a start may be cancelled
            self._note_error(error)
            self._state = "failed"
            try:
                await self._close()
            except Exception as another:  # noqa: BLE001 - it must not hide the reason
                self._log.warning("collector.not_closed", error=repr(another))
            raise
        self._state = "running"
        self._started_at = self._clock.now_ms()
        if self.config.paused:
            await self.pause()
        self._log.info("collector.started", topic=self.config.topic, address=self.address)

    async def stop(self) -> None:
        """Take nothing new, bring to an end what was taken, then stop. Bounded in time."""
        if self._state in ("created", "stopped", "stopping"):
            return
        self._state = "stopping"
        try:
            await self._close()
        finally:
            self._state = "stopped"
        await self._emitter.drain()

    async def restart(self) -> None:
        """Stop, and start with the same producer; also after a failure.

        Raises: Conflict("collector.not_running") when it was never started; as `start`.
        """
        producer = self._producer
        if producer is None:
            raise Conflict("collector.not_running", name=self.name, state=self._state)
        await self.stop()
        await self.start(producer)

    async def pause(self) -> None:
        """Take nothing new until `resume`.

        Raises: Conflict("collector.not_running").
        """
        if self._state == "paused":
            return
        if self._state not in ("running", "degraded"):
            raise Conflict("collector.not_running", name=self.name, state=self._state)
        self._state = "paused"
        self._open_gate.clear()

    async def resume(self) -> None:
        """Go on after `pause`.

        Raises: Conflict("collector.not_running").
        """
        if self._state in ("running", "degraded"):
            return
        if self._state != "paused":
            raise Conflict("collector.not_running", name=self.name, state=self._state)
        self._state = "running"
        self._open_gate.set()

    def status(self) -> CollectorStatus:
        """What it is doing now."""
        return CollectorStatus(
            name=self.name,
            type=self.type,
            topic=self.config.topic,
            state=self._state,
            address=self.address,
            accepted=self._accepted.total,
            rejected=self._rejected.total,
            dead_letters=self._dead_letters,
            sampled=self._sampled,
            bytes=self._bytes.total,
            rates={
                "acceptedPerSec": self._accepted.per_s(),
                "rejectedPerSec": self._rejected.per_s(),
                "bytesPerSec": self._bytes.per_s(),
            },
            guarantee=self.guarantee,
            started_at=self._started_at,
            last_error=self._last_error,
            last_error_at=self._last_error_at,
            details=self._details(),
        )

    async def __aenter__(self) -> Self:
        if self._given is None:
            raise Invalid("collector.no_producer", name=self.name)
        await self.start(self._given)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @abstractmethod
    async def _open(self, producer: Producer) -> None:
        """Make everything run that runs between start and stop."""

    @abstractmethod
    async def _close(self) -> None:
        """End everything that `_open` made, also when it failed half-way."""

    def _details(self) -> dict[str, Any]:
        return {}

    def trouble(self, error: SummitError | None) -> None:
        """The broker, or the source, cannot be reached for now; None: it can again."""
        if error is not None:
            self._note_error(error)
            if self._state == "running":
                self._state = "degraded"
        elif self._state == "degraded":
            self._state = "running"

    def _note_error(self, error: BaseException) -> None:
        self._last_error = str(error) or type(error).__name__
        self._last_error_at = self._clock.now_ms()

    def _note_accepted(self, count: int, size_bytes: int) -> None:
        self._accepted.add(count)
        self._bytes.add(size_bytes)
        if self._emitter.has_listeners("data:ingested"):
            self._emitter.emit(
                "data:ingested",
                Payload(
                    collector=self.name, topic=self.config.topic, count=count, bytes=size_bytes
                ),
            )
