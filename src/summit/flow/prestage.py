"""The stage before the rules for all topics, as workers, replays and trials use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from summit.base.errors import Invalid
from summit.base.secrets import read_secret
from summit.client.transactor import Outgoing
from summit.documents.enrichment import LookupPlan
from summit.enrich.enriching import Found
from summit.enrich.privacy import Secrets
from summit.enrich.table_files import read_table
from summit.enrich.tables import Lookup, compile_table, find_rows
from summit.flow.stage import Asked, Refused, Staged, TopicStage
from summit.flow.stage_figures import StageFigures
from summit.flow.stage_plans import StagePlans
from summit.keyed.chunks import Chunk


class StagedBatch(NamedTuple):
    """What became of a batch: what the rules see, and what is put aside."""

    chunks: list[Chunk]
    refused: list[Refused]


class Prestage:
    """Filters, transformations, enrichments and routes of all topics; until `go_by`, none.

    Args:
        topic_id: Gives a topic's id.
        figures: Counts; by default for itself.
        secrets: Gives the secret of a reference.
    """

    def __init__(
        self,
        topic_id: Callable[[str], str] = str,
        figures: StageFigures | None = None,
        secrets: Secrets = read_secret,
    ) -> None:
        self.figures = figures or StageFigures()
        self._topic_id = topic_id
        self._secrets = secrets
        self._plans = StagePlans()
        self._stages: dict[str, TopicStage | None] = {}
        self._tables: dict[str, Lookup | str] = {}
        self._routed: list[Outgoing] = []

    def go_by(self, plans: StagePlans) -> dict[str, str]:
        """Go by other definitions.

        Returns: By `kind/id`, why one cannot work; its events come to what its `onError` says,
            those of a transformation are put aside.
        """
        self._plans = plans
        self._stages.clear()
        self._tables = {plan.id: _table(plan) for plan in plans.enrichments}
        faults = {
            f"enrichment/{rule}": table for rule, table in self._tables.items()
            if isinstance(table, str)
        }  # fmt: skip
        whole = TopicStage(plans, self._secrets, self.figures)
        return faults | {f"transformation/{rule}": text for rule, text in whole.faults.items()}

    def concerns(self, chunks: Iterable[Chunk]) -> bool:
        """Whether anything is to be done with these."""
        if self._plans.is_empty:
            return False
        return any(self._stage(chunk.topic) is not None for chunk in chunks)

    def apply(self, chunks: Sequence[Chunk]) -> StagedBatch:
        """Put chunks through; what routes send waits for `take`."""
        batch = StagedBatch([], [])
        for chunk in chunks:
            stage = self._stage(chunk.topic)
            if stage is None:
                batch.chunks.append(chunk)
                continue
            staged = self._run(stage, chunk)
            if staged.chunk is not None:
                batch.chunks.append(staged.chunk)
            batch.refused.extend(staged.refused)
            self._routed += staged.routed
        return batch

    def take(self) -> list[Outgoing]:
        """What routes have sent since the last call."""
        routed, self._routed = self._routed, []
        return routed

    def _stage(self, topic: str) -> TopicStage | None:
        if topic not in self._stages:
            plans = self._plans.of(topic)
            made = None if plans.is_empty else TopicStage(plans, self._secrets, self.figures)
            self._stages[topic] = made
        return self._stages[topic]

    def _run(self, stage: TopicStage, chunk: Chunk) -> Staged:
        staging = stage.staging(chunk, self._topic_id(chunk.topic))
        try:
            asked = next(staging)
            while True:
                asked = staging.send(self._find(asked))
        except StopIteration as end:
            staged: Staged = end.value
            return staged

    def _find(self, asked: Asked) -> list[Found]:
        table = self._tables[asked.rule]
        if isinstance(table, str):
            return [Found("error", reason=table)] * len(asked.keys)
        return find_rows(table, asked.keys)


def _table(plan: LookupPlan) -> Lookup | str:
    """The table of a lookup, or why there is none."""
    try:
        rows = (
            plan.table if plan.table is not None else read_table(plan.file or "", plan.key_column)
        )
        return compile_table(rows, plan.match)
    except Invalid as error:
        return str(error)
