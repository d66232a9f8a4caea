"""The stage of replays and trials: nothing is asked, and nothing is sent.

A replay takes what was recorded then. A trial has only the tables that stand in the definitions and
in files; whatever else is looked up is missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import aclosing

from summit.base.clock import SystemClock
from summit.base.errors import Invalid
from summit.client.log_reader import LogReader
from summit.documents.enrichment import EnrichmentPlan
from summit.documents.enrichment_sources import TablePlan
from summit.enrich.enriching import Found
from summit.flow.prestage import Prestage
from summit.flow.stage import Asked, Refused
from summit.flow.stage_plans import StagePlans
from summit.journal.enrichment_log import Recordings, recorded_key
from summit.journal.topics import ENRICHMENTS_TOPIC
from summit.keyed.chunks import Chunk
from summit.sources.tables import FileSource, InlineSource

_NOT_ASKED = Found("miss", reason="nothing is asked in a trial")


class PastStage:
    """See the module.

    Args:
        recordings: What was found in its day; None = this is a trial, or nothing is looked up.
    """

    def __init__(self, recordings: Recordings | None = None) -> None:
        self._prestage = Prestage()
        self._recordings = recordings
        self._tables: dict[str, InlineSource | FileSource | str | None] = {}

    def go_by(self, plans: StagePlans) -> None:
        """Go by other definitions."""
        self._prestage.go_by(plans)
        self._tables = {}
        for plan in plans.enrichments:
            if isinstance(plan.source, TablePlan) and not self._is_recorded(plan):
                self._tables[plan.id] = _table(plan.source)

    def concerns(self, chunks: Iterable[Chunk]) -> bool:
        """See `Prestage.concerns`."""
        return self._prestage.concerns(chunks)

    def apply(self, chunks: Sequence[Chunk]) -> tuple[list[Chunk], list[Refused]]:
        """Put chunks through: what the rules see, and what would be put aside."""
        batch = self._prestage.apply(chunks, self._find)
        return batch.chunks, batch.refused

    def _is_recorded(self, plan: EnrichmentPlan) -> bool:
        return self._recordings is not None and plan.is_recorded

    def _find(self, plan: EnrichmentPlan, asked: Asked) -> Sequence[Found]:
        if self._recordings is not None and plan.is_recorded:
            whole = plan.key_field is None
            keys = [recorded_key(key, whole_event=whole) for key in asked.keys]
            place = (asked.rule, asked.topic, asked.partition)
            return self._recordings.find(place, keys, asked.offsets)
        table = self._tables.get(plan.id)
        if table is None:
            return [_NOT_ASKED] * len(asked.keys)
        if isinstance(table, str):
            return [Found("error", reason=table)] * len(asked.keys)
        return table.find_now(asked.keys)


def _table(plan: TablePlan) -> InlineSource | FileSource | str | None:
    try:
        if plan.table is not None:
            return InlineSource(plan)
        return None if plan.file is None else FileSource(plan, SystemClock())
    except Invalid as error:
        return str(error)


async def stage_of_the_past(reader: LogReader, enrichments: Iterable[EnrichmentPlan]) -> PastStage:
    """A stage that knows what these have found.

    Raises: Unavailable; Corrupt("journal.enrichment").
    """
    if not any(plan.is_recorded for plan in enrichments):
        return PastStage()
    return PastStage(await _recordings(reader))


async def _recordings(reader: LogReader) -> Recordings:
    recordings = Recordings()
    try:
        first, end = await reader.span(ENRICHMENTS_TOPIC, 0)
    except Invalid as error:
        if error.code != "topic.unknown":
            raise
        return recordings
    async with aclosing(reader.read(ENRICHMENTS_TOPIC, 0, first, end)) as bursts:
        async for records in bursts:
            for record in records:
                recordings.take(record.value or b"")
    return recordings
