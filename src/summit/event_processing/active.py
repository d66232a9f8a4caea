"""The partial matches of an engine, as the guide's `getActiveSequences` tells them."""

from __future__ import annotations

from summit.cep.explaining import RunState, StateReader
from summit.documents.plan import PatternPlan
from summit.event_processing.given import result_event
from summit.event_processing.sequence import EventSequence
from summit.events.event import Event, Transport, decode_value
from summit.flow.engine import Engine
from summit.keyed.captured import Captured
from summit.keyed.keys import Key, key_values
from summit.keyed.outputs import StateKey


def active_sequences(engine: Engine) -> list[EventSequence]:
    """Every partial match whose time is not over, by rule and key, the oldest first.

    Window rules have none: they hold numbers, not sequences.

    Cost: each key's state is written and read once.
    """
    processor = engine.processor
    now_ms = processor.frontier_ms
    found: list[EventSequence] = []
    plans = {plan.id: plan for plan in engine.plans}
    for lane in processor.lanes:
        plan = plans.get(lane.rule.id)
        if not isinstance(plan, PatternPlan) or plan.window is not None:
            continue
        reader = StateReader(plan)
        for key in lane.all_keys():
            name = StateKey(lane.rule.state_id, key)
            data = processor.dump(name)
            if data is None:
                continue
            runs = reader.runs(data, processor.state_version(name))
            found += [
                _sequence(plan.id, key, run) for run in runs
                if run.expires_ms is None or run.expires_ms > now_ms
            ]  # fmt: skip
    return found


def _sequence(pattern: str, key: Key, run: RunState) -> EventSequence:
    captures = [(taken.step, _event(taken.event)) for taken in run.taken]
    offsets = "-".join(str(taken.event.offset) for taken in run.taken)
    return EventSequence(
        id=f"{pattern}:{offsets}", pattern=pattern, events=[event for _, event in captures],
        captures=captures, start_time=run.start_ms, end_time=run.last_ms,
        key=list(key_values(key)), matched=False, waits_for=list(run.waits_for),
        expires_at=run.expires_ms,
    )  # fmt: skip


def _event(captured: Captured) -> Event:
    origin = captured.origin
    transport = Transport(
        topic=origin.topic, partition=origin.partition, offset=captured.offset,
        timestamp=captured.own_ms,
    )  # fmt: skip
    return result_event(decode_value(captured.value), transport)
