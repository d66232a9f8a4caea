"""The stage before the rules for all topics. Pure: others bring the rows of enrichments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from summit.base.secrets import read_secret
from summit.client.transactor import Outgoing
from summit.documents.enrichment import EnrichmentPlan
from summit.enrich.enriching import Found
from summit.enrich.privacy import Secrets
from summit.flow.stage import Asked, Refused, Staged, Staging, TopicStage
from summit.flow.stage_figures import StageFigures
from summit.flow.stage_plans import StagePlans
from summit.keyed.chunks import Chunk

Find = Callable[[EnrichmentPlan, Asked], Sequence[Found]]
FindLater = Callable[[EnrichmentPlan, Asked], Awaitable[Sequence[Found]]]


class StagedBatch(NamedTuple):
    """What became of a batch: what the rules see, what is put aside, what routes send."""

    chunks: list[Chunk]
    refused: list[Refused]
    routed: list[Outgoing]


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
        self._enrichments: dict[str, EnrichmentPlan] = {}
        self._stages: dict[str, TopicStage | None] = {}

    def go_by(self, plans: StagePlans) -> dict[str, str]:
        """Go by other definitions.

        Returns: By `kind/id`, why a transformation cannot work; its events are put aside.
        """
        self._plans = plans
        self._enrichments = {plan.id: plan for plan in plans.enrichments}
        self._stages.clear()
        whole = TopicStage(plans, self._secrets, self.figures)
        return {f"transformation/{rule}": text for rule, text in whole.faults.items()}

    def concerns(self, chunks: Iterable[Chunk]) -> bool:
        """Whether anything is to be done with these."""
        if self._plans.is_empty:
            return False
        return any(self._stage(chunk.topic) is not None for chunk in chunks)

    def apply(self, chunks: Sequence[Chunk], find: Find) -> StagedBatch:
        """Put chunks through; the rows are there at once."""
        return _batch([self._run(chunk, find) for chunk in chunks])

    async def apply_later(self, chunks: Sequence[Chunk], find: FindLater) -> StagedBatch:
        """Put chunks through, all at the same time; the rows are waited for."""
        return _batch(await asyncio.gather(*(self._run_later(chunk, find) for chunk in chunks)))

    def _stage(self, topic: str) -> TopicStage | None:
        if topic not in self._stages:
            plans = self._plans.of(topic)
            made = None if plans.is_empty else TopicStage(plans, self._secrets, self.figures)
            self._stages[topic] = made
        return self._stages[topic]

    def _staging(self, chunk: Chunk) -> Staging | None:
        stage = self._stage(chunk.topic)
        return None if stage is None else stage.staging(chunk, self._topic_id(chunk.topic))

    def _run(self, chunk: Chunk, find: Find) -> Staged:
        staging = self._staging(chunk)
        if staging is None:
            return Staged(chunk, [], [])
        try:
            asked = next(staging)
            while True:
                asked = staging.send(find(self._enrichments[asked.rule], asked))
        except StopIteration as end:
            staged: Staged = end.value
            return staged

    async def _run_later(self, chunk: Chunk, find: FindLater) -> Staged:
        staging = self._staging(chunk)
        if staging is None:
            return Staged(chunk, [], [])
        try:
            asked = next(staging)
            while True:
                asked = staging.send(await find(self._enrichments[asked.rule], asked))
        except StopIteration as end:
            staged: Staged = end.value
            return staged


def _batch(staged: Iterable[Staged]) -> StagedBatch:
    batch = StagedBatch([], [], [])
    for each in staged:
        if each.chunk is not None:
            batch.chunks.append(each.chunk)
        batch.refused.extend(each.refused)
        batch.routed.extend(each.routed)
    return batch
