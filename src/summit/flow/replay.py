"""Reading back: records go through the engine again, and what it says is thrown away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from summit.cep.chunks import Chunk, chunk_records
from summit.client.types import ConsumerRecord
from summit.flow.cuts import Cut
from summit.flow.engine import Engine
from summit.flow.inputs import Inputs
from summit.flow.read_back import ReadBack
from summit.journal.progress_record import Positions, partition_name


class Replay:
    """Feeds an engine from some offsets to others.

    Args:
        cuts: In the order of their offsets; see `cuts.py`.
        active: Asked between batches; False ends the replay early.
    """

    def __init__(
        self,
        inputs: Inputs,
        engine: Engine,
        read_back: ReadBack,
        cuts: Iterable[Cut],
        active: Callable[[], bool],
    ) -> None:
        self._inputs = inputs
        self._engine = engine
        self._read_back = read_back
        self._active = active
        self._cuts: dict[str, list[Cut]] = {}
        for cut in cuts:
            self._cuts.setdefault(cut.name, []).append(cut)
        self.records = 0

    async def run(self, positions: Positions, until: Mapping[str, int], batch_records: int) -> None:
        """Read every partition of `until` from its position up to there; `positions` is moved.

        While no broker answers it waits, for as long as `active` says so.
        """
        left = {name for name, at in until.items() if positions[name] < at}
        if not left:
            return
        await self._inputs.assign({name: positions[name] for name in left})
        while left and self._active():
            records = await self._inputs.poll(batch_records, 200)
            done = self._take(records, left, positions, until)
            # The last offsets may hold no record: deleted, or a transaction's marks.
            ends = self._inputs.read_to()
            done |= {name for name in left if ends.get(name, -1) >= until[name]}
            left -= done
            if left and done:
                await self._inputs.pause(sorted(done))
        positions.update({name: max(positions[name], at) for name, at in until.items()})

    def _take(
        self,
        records: list[ConsumerRecord],
        left: set[str],
        positions: Positions,
        until: Mapping[str, int],
    ) -> set[str]:
        """Feed what belongs to the replay; the partitions that are through."""
        done: set[str] = set()
        old: list[ConsumerRecord] = []
        for record in records:
            name = partition_name(record.topic, record.partition)
            if name not in left:
                continue
            if record.offset < until[name]:
                old.append(record)
            if record.offset + 1 >= until[name]:
                done.add(name)
        for chunk in chunk_records(old):
            self._feed(chunk)
            name = partition_name(chunk.topic, chunk.partition)
            positions[name] = chunk.offsets[-1] + 1
            watermark = self._engine.matcher.watermarks().get((chunk.topic, chunk.partition))
            if watermark is not None:
                self._read_back.note(name, positions[name], watermark)
        self.records += len(old)
        return done

    def _feed(self, chunk: Chunk) -> None:
        cuts = self._cuts.get(partition_name(chunk.topic, chunk.partition), [])
        begin = 0
        while cuts and cuts[0].offset <= chunk.offsets[-1]:
            cut = cuts.pop(0)
            end = next(
                (n for n, offset in enumerate(chunk.offsets) if offset > cut.offset),
                len(chunk.offsets),
            )
            if end > begin:
                self._engine.apply([_part(chunk, begin, end)])
                begin = end
            self._engine.forget(cut.rule, cut.key)
        if begin < len(chunk.offsets):
            self._engine.apply([_part(chunk, begin, len(chunk.offsets))])


def _part(chunk: Chunk, begin: int, end: int) -> Chunk:
    if begin == 0 and end == len(chunk.offsets):
        return chunk
    return Chunk(
        chunk.topic,
        chunk.partition,
        chunk.offsets[begin:end],
        chunk.timestamps_ms[begin:end],
        chunk.values[begin:end],
        None if chunk.headers is None else chunk.headers[begin:end],
        None if chunk.keys is None else chunk.keys[begin:end],
    )
