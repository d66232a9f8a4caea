"""What is asked of the broker when all is over: everything, once more, by readers from the start.

Before it, the actors have come to their ends on a broker that nothing befalls any more. So every
transaction must be over soon, nothing may be missing, and nothing may hang.
"""

from __future__ import annotations

from tests.sim.actors.admins import Admin
from tests.sim.actors.client import Lost
from tests.sim.actors.groups import Looker
from tests.sim.actors.history import History, Place, Topic
from tests.sim.actors.readers import Cursor, Reader

_ROUNDS_MAX = 2_000


class Auditor(Admin):
    """Reads everything there is.

    Attributes:
        contents: Per partition and isolation what a reader from the start was given.
        offsets: Per group, topic and partition the committed offset.
        topics: Id → name and partition count of every topic there is.
    """

    contents: dict[tuple[Place, bool], list[tuple[int, bytes]]]

    async def audit(self, topics: list[Topic], groups: list[tuple[str, Topic]]) -> None:
        self.contents = {}
        self.offsets: dict[tuple[str, str, int], int] = {}
        while True:
            try:
                self.topics = await self.listed()
                break
            except Lost:
                continue
        for is_committed in (False, True):
            for topic in topics:
                await self._read(topic, is_committed=is_committed)
        for group_id, topic in groups:
            looker = Looker(self.stage, f"{self.name}-{group_id}", group_id, topic)
            await self._look_up(looker)

    async def _read(self, topic: Topic, *, is_committed: bool) -> None:
        name = f"{self.name}-{topic.name}-{'committed' if is_committed else 'all'}"
        reader = Reader(self.stage, name, [topic], is_committed=is_committed)
        reader.first_version = 5
        before = len(self.history.passes)
        for _ in range(_ROUNDS_MAX):
            self.doing = f"reading {topic.name} to its end"
            await reader.look()
            if all(self._is_at_end(cursor) for cursor in reader.cursors):
                break
        else:
            where = {
                c.place.index: (c.offset, c.place.stable, c.place.high) for c in reader.cursors
            }
            raise self.wrong(f"{topic.name} does not come to an end: a transaction hangs? {where}")
        for cursor in reader.cursors:
            self.contents[cursor.place, is_committed] = [
                item
                for each in self.history.passes[before:]
                if each.place is cursor.place and each.reader == name
                for item in each.names
            ]
        reader.client.close()

    @staticmethod
    def _is_at_end(cursor: Cursor) -> bool:
        return cursor.offset >= cursor.high == cursor.stable >= 0

    async def _look_up(self, looker: Looker) -> None:
        indexes = list(range(looker.topic.partition_count))
        for index in indexes:
            where = (looker.group_id, looker.topic.name, index)
            while where not in self.offsets:
                try:
                    await looker.look_up([index])
                except Lost:
                    continue
                found = self.history.lookups.get(where)
                if found and found[-1].reader == looker.name:
                    self.offsets[where] = found[-1].offset
        looker.client.close()


def durable_topics(history: History) -> list[Topic]:
    """The topics that are never deleted."""
    return [topic for topic in history.topics.values() if not topic.name.startswith("fleeting-")]
