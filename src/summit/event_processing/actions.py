"""What `CEPEngine` does with a match: tells it, publishes, calls, runs handlers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from summit.alerts import Alert
from summit.base.clock import Clock
from summit.base.emitter import Payload
from summit.base.errors import Internal, SummitError, Unavailable
from summit.base.limits import CALLS_WAITING_MAX
from summit.base.tasks import Tasks
from summit.documents.event_pattern import EventPattern
from summit.event_processing.handlers import MatchContext, in_handler
from summit.event_processing.sequence import EventSequence, make_sequence
from summit.flow.calling import Caller
from summit.flow.effects import Call, Publish
from summit.flow.findings import Made
from summit.flow.outputs import published_record

_ATTEMPTS: Final = 3  # of a handler
_CALL_ATTEMPTS: Final = 6
_PAUSE_S: Final = 0.05
_CALL_PAUSE_S: Final = 1.0
_PAUSE_MAX_S: Final = 10.0


class Producer(Protocol):
    """What publishes records: a `StreamProducer`."""

    async def send_batch(self, records: list[dict[str, Any]]) -> Any:
        """Send records; returns when they are acknowledged."""
        ...


class Actions:
    """The actions of one engine; one loop's.

    Args:
        emit: The engine's.
        producer: Publishes forwarded events and aggregates; None = they are told only.
        caller: Makes webhooks' calls.
    """

    def __init__(
        self,
        emit: Callable[[str, Any], None],
        clock: Clock,
        *,
        producer: Producer | None,
        secrets: Mapping[str, str] | None,
        allow_internal: bool,
    ) -> None:
        self._emit = emit
        self._producer = producer
        self._caller = Caller(clock, secrets=secrets, allow_internal=allow_internal)
        self._tasks = Tasks()
        self._calls: set[asyncio.Task[Any]] = set()
        self.counters = {"forwarded": 0, "calls": 0, "calls_failed": 0, "not_started": 0,
                         "handlers_failed": 0}  # fmt: skip

    async def act(self, pattern: EventPattern, made: Made) -> tuple[list[Alert], list[Publish]]:
        """Tell a match and do what its action says.

        Returns: The alerts it led to, and events for other patterns of this engine.
        """
        effects = made.effects
        assert made.match is not None  # there are no queries here
        sequence = make_sequence(made.match, effects.id)
        event = "pattern:timeout" if made.match.timed_out else "pattern:matched"
        whole = {"pattern": pattern, "sequence": sequence}
        self._emit(event, Payload(**whole))
        if effects.alert is not None:
            self._emit("alert:generated", effects.alert)
            return [effects.alert], []
        match effects.action.type:
            case "forward":
                keys = [each.key for each in effects.publishes]
                topic = effects.action.topic
                self._emit(
                    "action:forward",
                    Payload(**whole, topic=topic, record_keys=keys, events=sequence.events),
                )
                await self._publish(effects.publishes, whole)
            case "aggregate":
                self._emit("events:aggregated", Payload(**whole, **_figures(effects.figures)))
                await self._publish(effects.publishes, whole)
            case "trigger":
                return [], self._trigger(made, whole)
            case "custom":
                return await self._run(pattern, made, sequence), []
        return [], []

    async def flush(self) -> None:
        """Wait until the calls under way are answered or given up."""
        while self._calls:
            await asyncio.wait(self._calls)

    async def close(self) -> None:
        """End; calls that were not answered yet are dropped, and told by `error`. Idempotent."""
        await self._tasks.cancel_all()
        await self._caller.close()

    # ---- forward, aggregate ----

    async def _publish(self, publishes: tuple[Publish, ...], whole: dict[str, Any]) -> None:
        if self._producer is None:
            return
        records = [
            {
                "topic": record.topic, "key": record.key, "value": record.value,
                "headers": dict(record.headers or ()), "timestamp": record.timestamp_ms,
            }
            for record in map(published_record, publishes)
        ]  # fmt: skip
        try:
            await self._producer.send_batch(records)
        except SummitError as error:
            self._emit("error", Payload(error=error, **whole))
        else:
            self.counters["forwarded"] += len(records)

    # ---- trigger ----

    def _trigger(self, made: Made, whole: dict[str, Any]) -> list[Publish]:
        effects = made.effects
        action = effects.action
        self._emit("action:trigger", Payload(**whole, url=action.url, target=action.pattern))
        if effects.cut:
            self.counters["not_started"] += 1
            reason = "too many patterns have started one another"
            self._fail(whole, reason, 1)
        if effects.call is not None:
            if len(self._calls) >= CALLS_WAITING_MAX:
                self._fail_call(whole, Unavailable("http.unavailable", what="the webhook",
                                                   reason="too many calls wait"))  # fmt: skip
                return []
            task = self._tasks.spawn(self._call(effects.call, whole), f"call {effects.id}")
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        return list(effects.publishes)

    async def _call(self, call: Call, whole: dict[str, Any]) -> None:
        pause_s = _CALL_PAUSE_S
        for attempt in range(1, _CALL_ATTEMPTS + 1):
            try:
                await self._caller.call(call)
            except Unavailable as error:
                if attempt == _CALL_ATTEMPTS:
                    self._fail_call(whole, error)
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_MAX_S)
            except SummitError as error:
                self._fail_call(whole, error)
                return
            else:
                self.counters["calls"] += 1
                return

    def _fail_call(self, whole: dict[str, Any], error: SummitError) -> None:
        self.counters["calls_failed"] += 1
        self._emit("error", Payload(error=error, **whole))

    # ---- custom ----

    async def _run(self, pattern: EventPattern, made: Made, sequence: EventSequence) -> list[Alert]:
        handler = None if pattern.action is None else pattern.action.handler
        assert handler is not None
        pause_s = _PAUSE_S
        reason = ""
        for attempt in range(1, _ATTEMPTS + 1):
            context = MatchContext(pattern, sequence)
            try:
                with in_handler(context):
                    answer = handler(*_arguments(handler, sequence, context))
                    if inspect.isawaitable(answer):
                        await answer
            except Exception as error:  # noqa: BLE001 - a handler is other people's code
                reason = repr(error)
                if attempt < _ATTEMPTS:
                    await asyncio.sleep(pause_s)
                    pause_s *= 2
                continue
            for alert in context.alerts:
                self._emit("alert:generated", alert)
            return context.alerts
        self.counters["handlers_failed"] += 1
        self._fail({"pattern": pattern, "sequence": sequence}, reason, _ATTEMPTS)
        return []

    def _fail(self, whole: dict[str, Any], reason: str, attempts: int) -> None:
        error = Internal(
            "action.failed", pattern=whole["pattern"].id, attempts=attempts, reason=reason
        )
        self._emit("error", Payload(error=error, **whole))


def _figures(figures: dict[str, Any] | None) -> dict[str, Any]:
    names = ("key", "timestamp", "window", "groups")
    return {name: (figures or {}).get(name) for name in names}


def _arguments(handler: Any, sequence: EventSequence, context: MatchContext) -> tuple[Any, ...]:
    """`handler(events)`, or `handler(events, ctx)` where it takes two."""
    with suppress(TypeError, ValueError):
        inspect.signature(handler).bind(sequence.events, context)
        return sequence.events, context
    return (sequence.events,)
