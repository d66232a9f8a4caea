"""The stage before the rules: parse, filter, transform, enrich, route; one topic's events. Pure.

    records → filters → transformations → enrichments → routes → what the rules see

The rules see other values at the same places. What a definition does not concern goes through as
the bytes it came in.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from summit.alerts import log_coordinate
from summit.base.errors import Invalid
from summit.base.limits import STAGED_EVENT_BYTES_MAX
from summit.client.dead_letters import DeadLetterError
from summit.client.transactor import Outgoing
from summit.documents.transform_plan import TransformationPlan
from summit.enrich.dispatch import Dispatch
from summit.enrich.effects import Fate
from summit.enrich.enriching import Enriched, Enricher, Found
from summit.enrich.filtering import Filter
from summit.enrich.privacy import Secrets
from summit.enrich.routing import Router
from summit.enrich.transforming import Transformer
from summit.events.event import Transport, decode_value, event_time
from summit.flow.stage_figures import StageFigures
from summit.flow.stage_plans import StagePlans
from summit.journal.topics import WAIT_HEADER
from summit.keyed.captured import transport_of
from summit.keyed.chunks import SOURCE_HEADER, Chunk, source_of

_encode = msgspec.json.Encoder().encode
_GROUP: Final = "*"  # counted under this where no one filter alone has stopped an event


class Refused(NamedTuple):
    """An event that does not go on and is to be put aside."""

    topic: str
    partition: int
    offset: int
    error: DeadLetterError


class Asked(NamedTuple):
    """What an enrichment wants to know for some events of one partition, a key for each."""

    rule: str
    topic: str
    partition: int
    offsets: list[int]
    keys: list[Any]


class Staged(NamedTuple):
    """What became of a chunk.

    Attributes:
        chunk: What the rules see; None = nothing is left.
        routed: What routes send.
    """

    chunk: Chunk | None
    refused: list[Refused]
    routed: list[Outgoing]


Staging = Generator[Asked, Sequence[Found], Staged]


class _Row:
    """One event on its way; predicates read it as `events.event.Readable`.

    Attributes:
        number: Its place in the chunk.
        changed: Whether it is no longer what it was.
    """

    __slots__ = ("_chunk", "changed", "number", "value")

    def __init__(self, chunk: Chunk, number: int, value: dict[str, Any]) -> None:
        self._chunk = chunk
        self.number = number
        self.value = value
        self.changed = False

    @property
    def timestamp(self) -> int:
        """Its own time; the record's where that is none."""
        stamp_ms = self._chunk.timestamps_ms[self.number]
        try:
            return event_time(self.value.get("timestamp"), stamp_ms)
        except Invalid:
            return stamp_ms

    @property
    def transport(self) -> Transport:
        """The record around it."""
        chunk, n = self._chunk, self.number
        key = None if chunk.keys is None else chunk.keys[n]
        headers = None if chunk.headers is None else chunk.headers[n]
        return transport_of(
            chunk.topic, chunk.partition, chunk.offsets[n], key, chunk.timestamps_ms[n], headers
        )


class _Run:
    """One chunk on its way."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.rows: list[_Row] = []
        self.refused: list[Refused] = []

    def refuse(self, number: int, error: Invalid, stage: str, rule: str | None) -> None:
        """Put an event aside."""
        letter = DeadLetterError(code=error.code, message=str(error), stage=stage, rule=rule)
        chunk = self.chunk
        self.refused.append(Refused(chunk.topic, chunk.partition, chunk.offsets[number], letter))

    def left(self, values: Sequence[bytes | None]) -> Chunk | None:
        """What the rules see.

        Args:
            values: That of each row.
        """
        chunk, rows = self.chunk, self.rows
        if not rows:
            return None
        if len(rows) == len(chunk.values) and not any(row.changed for row in rows):
            return chunk
        numbers = [row.number for row in rows]
        return chunk._replace(
            offsets=[chunk.offsets[n] for n in numbers],
            timestamps_ms=[chunk.timestamps_ms[n] for n in numbers],
            values=values,
            headers=None if chunk.headers is None else [chunk.headers[n] for n in numbers],
            keys=None if chunk.keys is None else [chunk.keys[n] for n in numbers],
        )


class TopicStage:
    """What is done to the events of one topic.

    A transformation whose secret cannot be had lets no event of its types go on: what it is to
    hide would be seen. They are put aside.

    Args:
        plans: Those that concern the topic; see `StagePlans.of`.

    Attributes:
        faults: By rule, why a transformation cannot work.
    """

    def __init__(self, plans: StagePlans, secrets: Secrets, figures: StageFigures) -> None:
        self._figures = figures
        working: list[TransformationPlan] = []
        broken: list[tuple[frozenset[str], tuple[str, Invalid]]] = []
        for plan in plans.transformations:
            try:
                Transformer([plan], secrets)
                working.append(plan)
            except Invalid as error:
                broken.append((plan.event_types, (plan.id, error)))
        self.faults = {rule: str(error) for _, (rule, error) in broken}
        self._broken = Dispatch(broken) if broken else None
        self._filter = Filter(plans.filters) if plans.filters else None
        self._transformer = Transformer(working, secrets) if working else None
        self._enricher = Enricher(plans.enrichments) if plans.enrichments else None
        self._router = Router(plans.routes) if plans.routes else None

    def staging(self, chunk: Chunk, topic_id: str) -> Staging:
        """Take a chunk: yields what is to be looked up, is sent the answers, returns the rest.

        Args:
            topic_id: Of the chunk's topic, for the coordinates of what routes send.
        """
        run = _Run(chunk)
        for number, raw in enumerate(chunk.values):
            try:
                run.rows.append(_Row(chunk, number, _object(raw)))
            except Invalid as error:
                run.refuse(number, error, "parse", None)
        self._choose(run)
        self._hold_back(run)
        self._transform(run)
        yield from self._enrich(run)
        values = _encoded(run)
        routed = self._route(run, values, topic_id)
        run.refused.sort(key=lambda each: each.offset)
        return Staged(run.left(values), run.refused, routed)

    def _choose(self, run: _Run) -> None:
        if self._filter is None:
            return
        verdicts = self._filter.apply(run.rows)
        for verdict in verdicts:
            if not verdict.passes:
                self._figures.count_filtered(verdict.rule or _GROUP)
        run.rows = [row for row, verdict in zip(run.rows, verdicts, strict=True) if verdict.passes]

    def _hold_back(self, run: _Run) -> None:
        """Put aside what a transformation is for that cannot work."""
        if self._broken is None:
            return
        kept = []
        for row in run.rows:
            rules = self._broken.rules_of(row.value)
            if rules:
                rule, error = rules[0]
                self._figures.count_fault(rule)
                run.refuse(row.number, error, "transform", rule)
            else:
                kept.append(row)
        run.rows = kept

    def _transform(self, run: _Run) -> None:
        if self._transformer is None:
            return
        kept = []
        done = self._transformer.apply([row.value for row in run.rows], owned=True)
        for row, each in zip(run.rows, done, strict=True):
            row.value = each.value
            row.changed = bool(each.changed or each.faults)
            self._figures.transformed += bool(each.changed)
            for fault in each.faults:
                self._figures.count_fault(fault.rule)
            culprit = each.culprit
            if culprit is None:
                kept.append(row)
            else:
                self._end(run, row, each.fate, culprit.error, "transform", culprit.rule)
        run.rows = kept

    def _enrich(self, run: _Run) -> Generator[Asked, Sequence[Found], None]:
        if self._enricher is None:
            return
        rows, chunk = run.rows, run.chunk
        asking = self._enricher.asking([row.value for row in rows], owned=True)
        answers: Sequence[Found] | None = None
        while True:
            try:
                ask = next(asking) if answers is None else asking.send(answers)
            except StopIteration as end:
                done: list[Enriched] = end.value
                break
            offsets = [chunk.offsets[rows[number].number] for number in ask.numbers]
            answers = yield Asked(ask.rule, chunk.topic, chunk.partition, offsets, ask.keys)
        kept = []
        for row, each in zip(rows, done, strict=True):
            row.changed = row.changed or bool(each.statuses)
            self._figures.count_enriched(each.statuses)
            if each.culprit is None:
                kept.append(row)
            else:
                error = each.errors[each.culprit]
                self._end(run, row, each.fate, error, "enrich", each.culprit)
        run.rows = kept

    def _end(self, run: _Run, row: _Row, fate: Fate, error: Invalid, stage: str, rule: str) -> None:
        """An event goes no further, for a rule that failed on it."""
        if fate == "drop":
            self._figures.count_dropped(rule)
        else:
            run.refuse(row.number, error, stage, rule or None)

    def _route(self, run: _Run, values: Sequence[bytes | None], topic_id: str) -> list[Outgoing]:
        if self._router is None:
            return []
        sent: list[Outgoing] = []
        found = self._router.apply(run.rows)
        for row, value, routed in zip(run.rows, values, found, strict=True):
            if routed.topics:
                sent += _outgoing(run.chunk, row.number, value, routed.topics, topic_id)
                self._figures.count_routed(routed.rules)
        return sent


def _object(raw: bytes | None) -> dict[str, Any]:
    """The JSON object of a record. Raises: Invalid("event.empty", ".not_json", ".not_object")."""
    if not raw:
        raise Invalid("event.empty")
    value = decode_value(raw)
    if type(value) is not dict:
        raise Invalid("event.not_object", kind=f"a {type(value).__name__}")
    return value


def _encoded(run: _Run) -> list[bytes | None]:
    """The values of the rows; one that is no JSON any more is put aside."""
    values: list[bytes | None] = []
    kept = []
    for row in run.rows:
        try:
            value = _encode(row.value) if row.changed else run.chunk.values[row.number]
        except (OverflowError, ValueError, TypeError, RecursionError):
            error = Invalid("event.not_json", reason="it holds what JSON cannot hold")
            run.refuse(row.number, error, "encode", None)
            continue
        if row.changed and len(value or b"") > max(
            STAGED_EVENT_BYTES_MAX, len(run.chunk.values[row.number] or b"")
        ):
            size = len(value or b"")
            error = Invalid("event.too_long", size=size, limit=STAGED_EVENT_BYTES_MAX)
            run.refuse(row.number, error, "encode", None)
            continue
        values.append(value)
        kept.append(row)
    run.rows = kept
    return values


def _outgoing(
    chunk: Chunk, n: int, value: bytes | None, topics: Sequence[str], topic_id: str
) -> list[Outgoing]:
    """An event for other topics: with its key, headers and time, and where it stands."""
    given = None if chunk.headers is None else chunk.headers[n]
    headers = [
        (name, text) for name, text in (getattr(given, "pairs", given) or ()) if name != WAIT_HEADER
    ]
    if source_of(headers) is None:
        place = log_coordinate(topic_id, chunk.partition, chunk.offsets[n])
        headers.append((SOURCE_HEADER, place.encode()))
    key = None if chunk.keys is None else chunk.keys[n]
    time_ms = max(0, chunk.timestamps_ms[n])
    return [Outgoing(topic, key, value, -1, headers, time_ms) for topic in topics]
