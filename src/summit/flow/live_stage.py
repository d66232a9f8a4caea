"""The stage of a worker: rows from live sources, and what they were goes into the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from summit.base.clock import Clock
from summit.client.transactor import Outgoing
from summit.documents.enrichment import EnrichmentPlan
from summit.enrich.enriching import Found
from summit.flow.outputs import Sent
from summit.flow.prestage import Prestage
from summit.flow.stage import Asked, Refused
from summit.flow.stage_figures import StageFigures
from summit.flow.stage_plans import StagePlans
from summit.journal.enrichment_log import Recorder, recorded_key
from summit.journal.topics import ENRICHMENTS_TOPIC
from summit.keyed.chunks import Chunk
from summit.sources.sources import Sources, SourceSettings


class LiveStage:
    """See the module; one loop's."""

    def __init__(
        self,
        servers: Sequence[str],
        topic_id: Callable[[str], str],
        figures: StageFigures,
        clock: Clock,
    ) -> None:
        self._prestage = Prestage(topic_id, figures)
        self._sources = Sources(SourceSettings(servers=servers), clock)
        self._recorder = Recorder()
        self._routed: list[Outgoing] = []
        self._enrichments: tuple[EnrichmentPlan, ...] = ()

    async def use(self, plans: StagePlans) -> dict[str, str]:
        """Go by other definitions; everything before is committed or dropped.

        Returns: By `kind/id`, why one cannot work. Its events come to what its `onError` says,
            those of a transformation are put aside.
        """
        if plans.enrichments != self._enrichments:
            self._enrichments = plans.enrichments
            self._recorder.forget()
        faults = await self._sources.use(plans.enrichments)
        found = {f"enrichment/{rule}": text for rule, text in faults.items()}
        return found | self._prestage.go_by(plans)

    def concerns(self, chunks: Iterable[Chunk]) -> bool:
        """See `Prestage.concerns`."""
        return self._prestage.concerns(chunks)

    async def apply(self, chunks: Sequence[Chunk]) -> tuple[list[Chunk], list[Refused]]:
        """Put chunks through: what the rules see, and what is put aside; the rest waits for `take`.

        Waits for rows in a bounded time.
        """
        batch = await self._prestage.apply_later(chunks, self._find)
        self._routed += batch.routed
        return batch.chunks, batch.refused

    def take(self) -> Sent:
        """What is to be written since the last call."""
        recorded = [
            Outgoing(ENRICHMENTS_TOPIC, None, value, 0) for value in self._recorder.take()
        ]  # fmt: skip
        routed, self._routed = self._routed, []
        return Sent(routed, recorded)

    def forget(self) -> None:
        """What was not committed is dropped."""
        self._routed = []
        self._recorder.forget()

    async def close(self) -> None:
        """Close the sources. Idempotent."""
        await self._sources.close()

    async def _find(self, plan: EnrichmentPlan, asked: Asked) -> Sequence[Found]:
        answers = await self._sources.find(asked.rule, asked.keys)
        if plan.is_recorded:
            whole = plan.key_field is None
            keys = [recorded_key(key, whole_event=whole) for key in asked.keys]
            place = (asked.rule, asked.topic, asked.partition)
            return self._recorder.note(place, keys, asked.offsets, answers)
        return answers
