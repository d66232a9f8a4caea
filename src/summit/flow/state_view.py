"""What `summit state` shows: the unfinished matches of a rule's keys, read from the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from summit.base.errors import Invalid
from summit.cep.explaining import RunState, StateReader, Taken
from summit.cep.rules import prepare_any
from summit.cep.window_explaining import WindowReader
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.flow.key_texts import json_value, key_paths, parse_keys
from summit.journal.definition_log import Definition
from summit.journal.state_reading import Found, list_keys, read_keys
from summit.keyed.keygroups import key_group
from summit.keyed.keys import Key, key_values


async def show_key(
    servers: Sequence[str], definition: Definition, texts: Sequence[str]
) -> list[dict[str, Any]]:
    """What a rule has begun for a key: one element, or several where the texts are ambiguous.

    Args:
        texts: As `parse_keys` takes them.
    Raises: Invalid("state.key_invalid", "state.unknown"); Corrupt for a state that this version
        cannot read; Unavailable.
    """
    plan = validate_pattern(definition.document).plan
    reader = _reader(plan)
    keys = parse_keys(plan, texts)
    found = await read_keys(servers, _state_id(plan), keys)
    if not found:
        shown = " or ".join(_shown(key) for key in keys)
        raise Invalid("state.unknown", rule=plan.id, key=shown)
    return [_of_key(plan, reader, each) for each in found]


async def list_states(
    servers: Sequence[str], definition: Definition, *, count_max: int, after: Sequence[str] = ()
) -> dict[str, Any]:
    """A page of the keys of a rule that have state, with their sizes.

    Args:
        count_max: Most keys of the page; each is held in memory.
        after: The key behind which to go on, as the `next` of a page says it.
    Returns: `keys`, and `next`: None at the end.
    Raises: as `show_key`.
    """
    plan = validate_pattern(definition.document).plan
    reader = _reader(plan)
    behind = parse_keys(plan, after)[0] if after else None
    page = await list_keys(servers, _state_id(plan), count_max=count_max, after=behind)
    rows = []
    for each in page.found:
        counts = reader.count(each.data, each.version)
        rows.append(
            {
                "key": list(key_values(each.key)), "runs": counts.runs, "events": counts.events,
                "bytes": each.size_bytes, "expiresAt": counts.expires_ms,
                "writtenAt": each.written_ms,
            }
        )  # fmt: skip
    last = _shown(page.found[-1].key) if page.more else None
    return {"rule": plan.id, "groupBy": key_paths(plan), "keys": rows, "next": last}


def _reader(plan: PatternPlan) -> StateReader | WindowReader:
    return StateReader(plan) if plan.window is None else WindowReader(plan)


def _state_id(plan: PatternPlan) -> str:
    return prepare_any(plan).state_id


def _shown(key: Key) -> str:
    return msgspec.json.encode(key_values(key)).decode()


def _of_key(plan: PatternPlan, reader: StateReader | WindowReader, found: Found) -> dict[str, Any]:
    values = key_values(found.key)
    if isinstance(reader, WindowReader):
        content: dict[str, Any] = {"runs": [], "window": reader.shown(found.data, found.version)}
    else:
        content = {"runs": [_of_run(run) for run in reader.runs(found.data, found.version)]}
    return {
        "rule": plan.id,
        "key": dict(zip(key_paths(plan), values, strict=True)),
        "keyGroup": key_group(found.key),
        "bytes": found.size_bytes,
        "stateVersion": found.version,
        "partition": found.partition,
        "offset": found.offset,
        "writtenAt": found.written_ms,
        **content,
    }


def _of_run(run: RunState) -> dict[str, Any]:
    return {
        "waitsFor": list(run.waits_for),
        "endedBy": list(run.ended_by),
        "text": run.text,
        "startedAt": run.start_ms,
        "lastAt": run.last_ms,
        "expiresAt": run.expires_ms,
        "completesThen": run.completes and not run.held,
        "held": run.held,
        "events": [_of_event(taken) for taken in run.taken],
    }


def _of_event(taken: Taken) -> dict[str, Any]:
    event = taken.event
    shown: dict[str, Any] = {
        "step": taken.step, "topic": event.origin.topic, "partition": event.origin.partition,
        "offset": event.offset, "timestamp": event.own_ms,
    }  # fmt: skip
    if event.src is not None:
        shown["src"] = event.src
    if event.time_ms != event.own_ms:
        shown["takenAt"] = event.time_ms
    shown["whole"] = event.whole
    shown["event"] = json_value(event.value.decode(errors="replace"))
    return shown
