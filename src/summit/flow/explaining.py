"""Why a rule did not match: the explanation as plain values, of given events or of a topic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from summit.alerts import alert_dict
from summit.cep.match import Match
from summit.cep.near_misses import NearMiss
from summit.cep.tracing import OpenMatch
from summit.client.admin import Admin
from summit.client.log_reader import LogReader
from summit.client.merged_reading import read_merged
from summit.documents.correlation import CorrelationPlan
from summit.documents.plan import PatternPlan
from summit.flow.kinds import Plan
from summit.flow.past_stage import stage_of_the_past
from summit.flow.rules import acting_ones, rules_of
from summit.flow.spans import Range, find_spans
from summit.flow.tracers import tracer_of
from summit.flow.trying import Tried, TriedCounted, try_counted, try_pattern
from summit.journal.definitions import Definitions
from summit.keyed.captured import EventRef
from summit.keyed.chunks import chunk_records
from summit.keyed.keys import Key

MATCHES_SHOWN: Final = 1_000


def try_any(
    plan: Plan, events: Iterable[Mapping[str, Any] | bytes], *, keys: Sequence[Key] = ()
) -> dict[str, Any]:
    """Try a rule of any kind on events: what came, with the names of the wire, and why no more.

    Args:
        keys: Only these are explained; none = all.
    Raises: Invalid as the tracers.
    """
    if isinstance(plan, PatternPlan):
        return tried_dict(try_pattern(plan, events, keys=keys))
    noun = "groups" if isinstance(plan, CorrelationPlan) else "results"
    tried = try_counted(plan, events, keys=keys)
    return {
        noun: tried.rows[:MATCHES_SHOWN],
        **explained_dict(tried.near_misses, tried.unfinished),
        "rejected": _rejected(tried),
    }


def tried_dict(tried: Tried) -> dict[str, Any]:
    """What trying a pattern gave, with the names of the wire."""
    return {
        "matches": [match_dict(match) for match in tried.matches[:MATCHES_SHOWN]],
        "suppressed": [
            {**match_dict(each.match), "alertId": each.alert_id}
            for each in tried.suppressed[:MATCHES_SHOWN]
            if each.match is not None
        ],
        "alerts": [alert_dict(alert) for alert in tried.alerts[:MATCHES_SHOWN]],
        **explained_dict(tried.near_misses, tried.unfinished),
        "rejected": _rejected(tried),
    }


def explained_dict(
    near_misses: Iterable[NearMiss], unfinished: Iterable[OpenMatch]
) -> dict[str, Any]:
    """Near-misses and unfinished matches, with the names of the wire."""
    return {
        "nearMisses": [msgspec.to_builtins(each) for each in near_misses],
        "unfinished": [_open_dict(each) for each in unfinished],
    }


def match_dict(match: Match) -> dict[str, Any]:
    """A match by the places of its events."""
    return {
        "key": list(match.key),
        "startTime": match.start_ms,
        "endTime": match.end_ms,
        "events": [_event_dict(step, event) for step, event in match.captures],
    }


async def explain_range(
    servers: Sequence[str],
    plan: Plan,
    wanted: Range,
    *,
    keys: Sequence[Key] = (),
    progress: Callable[[int, int], None] = lambda _read, _total: None,
) -> dict[str, Any]:
    """Follow a rule over a part of the log, behind the stage of now; nothing is changed.

    Args:
        keys: Only these; none = all.
        progress: Told now and then how many records are read, and how many there are.
    Returns: As `explained_dict`, and `records`.
    Raises: Invalid("topic.unknown", "pattern.steps"); Unavailable.
    """
    tracer = tracer_of(plan, keys)
    definitions = Definitions(servers)
    await definitions.start()
    await definitions.stop()
    plans = rules_of(acting_ones(definitions.log)).stage
    config = {"clientId": "summit-explain", "bootstrapServers": list(servers)}
    count = 0
    async with Admin(config) as admin, LogReader(config, committed=True) as reader:
        stage = await stage_of_the_past(reader, plans.enrichments)
        stage.go_by(plans)
        found = await find_spans(admin, wanted)
        total = sum(stop - first for first, stop in found.spans.values())
        async for records in read_merged(reader, found.spans):
            for chunk in stage.apply(chunk_records(records))[0]:
                tracer.feed(chunk)
            count += len(records)
            progress(count, total)
    return {"records": count, **explained_dict(*tracer.finish())}


def _rejected(tried: Tried | TriedCounted) -> list[dict[str, Any]]:
    return [
        {"offset": each.offset, "code": each.code, "message": each.message}
        for each in tried.rejected[:MATCHES_SHOWN]
    ]


def _open_dict(open_one: OpenMatch) -> dict[str, Any]:
    state = open_one.state
    return {
        "key": list(open_one.key),
        "text": state.text,
        "waitsFor": list(state.waits_for),
        "endedBy": list(state.ended_by),
        "startedAt": state.start_ms,
        "expiresAt": state.expires_ms,
        "events": [
            {
                "step": taken.step, "topic": taken.event.origin.topic,
                "partition": taken.event.origin.partition, "offset": taken.event.offset,
                "timestamp": taken.event.time_ms,
            }
            for taken in state.taken
        ],
    }  # fmt: skip


def _event_dict(step: str, event: EventRef) -> dict[str, Any]:
    return {
        "step": step, "topic": event.topic, "partition": event.partition, "offset": event.offset,
        "timestamp": event.timestamp_ms,
    }  # fmt: skip
