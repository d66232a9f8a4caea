"""Rows of a compacted topic: the last value of each key, followed as it changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError
from summit.base.limits import FOLLOWER_READY_MS, LOOKUP_ROWS_MAX
from summit.base.logs import get_logger
from summit.client.admin import Admin
from summit.client.types import ConsumerRecord
from summit.documents.enrichment_sources import TablePlan
from summit.enrich.cache import AnswerCache
from summit.enrich.enriching import Found
from summit.enrich.tables import MISS, Lookup, by_domain, by_text, find_rows
from summit.events.networks import parse_network
from summit.events.values import as_ip, as_text
from summit.journal.follower import LogFollower

_BITS: Final = {4: 32, 6: 128}
_decode = msgspec.json.Decoder().decode


class TopicSource:
    """See the module and `Source`. Begins with `start`, or when it is asked for the first time.

    A record without value removes its row; one whose value is no JSON, or whose key is no network
    where networks are looked up, is passed over and counted, as is what is more than
    `LOOKUP_ROWS_MAX` rows.

    Attributes:
        passed_over: Number of such records.
    """

    cache: AnswerCache | None = None

    def __init__(self, plan: TablePlan, servers: Sequence[str], clock: Clock) -> None:
        self._plan = plan
        self._servers = list(servers)
        self._rows: dict[str, bytes] = {}
        self._heads: dict[tuple[int, int], dict[int, str]] = {}  # by (shift, version)
        self._named: dict[str, str] = {}  # with `keyColumn`: the row's name by the record's key
        self._clock = clock
        self._follower: LogFollower | None = None
        self.passed_over = 0
        get = self._row
        self._lookup: Lookup = {
            "exact": by_text(get), "domain": by_domain(get), "cidr": self._by_network,
        }[plan.match]  # fmt: skip

    async def start(self) -> None:
        """Read the topic to its end of now.

        Raises: Invalid("topic.unknown"); Unavailable.
        """
        topic = self._plan.topic or ""
        async with Admin({"bootstrapServers": self._servers}) as admin:
            partitions = list(await admin.offsets(topic))
        follower = LogFollower(self._servers, "summit-lookup", self._take, clock=self._clock)
        try:
            await follower.start({(topic, partition): None for partition in partitions})
            await follower.wait_caught_up(FOLLOWER_READY_MS)
        except BaseException:
            await follower.stop()
            raise
        self._follower = follower

    async def find(self, keys: Sequence[Any]) -> list[Found]:
        """See `Source`."""
        if self._follower is None:
            try:
                await self.start()
            except SummitError as error:
                return [Found("error", reason=str(error))] * len(keys)
        return find_rows(self._lookup, keys)

    async def close(self) -> None:
        """See `Source`."""
        follower, self._follower = self._follower, None
        if follower is not None:
            await follower.stop()

    def _take(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            try:
                self._set(record.key, record.value)
            except (SummitError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                self.passed_over += 1
                if self.passed_over == 1:
                    get_logger(__name__).warning(
                        "enrichment.row_passed_over", topic=record.topic,
                        partition=record.partition, offset=record.offset, error=str(error),
                    )  # fmt: skip

    def _set(self, key: bytes | str | None, value: bytes | None) -> None:
        name = key.decode() if isinstance(key, bytes) else key or ""
        row = None if value is None else _decode(value)
        column = self._plan.key_column
        if column is None:
            self._put(name, value)
            return
        before = self._named.pop(name, None)
        if before is not None:  # the column may have another value now
            self._put(before, None)
        if value is not None:
            by_column = (as_text(row.get(column)) if isinstance(row, dict) else None) or ""
            self._put(by_column, value)
            if name:
                self._named[name] = by_column

    def _put(self, name: str, value: bytes | None) -> None:
        if self._plan.match == "domain":
            name = name.strip().lower().removeprefix("*").strip(".")
        if not name:
            raise Invalid("enrichment.table", reason="a row has no key")
        if value is None:
            self._rows.pop(name, None)
        elif name not in self._rows and len(self._rows) >= LOOKUP_ROWS_MAX:
            raise Invalid("enrichment.table", reason=f"more than {LOOKUP_ROWS_MAX:,} rows")
        if self._plan.match == "cidr":
            version, first, prefix = parse_network(name)
            shift = _BITS[version] - prefix
            heads = self._heads.setdefault((shift, version), {})
            if value is None:
                if heads.get(first >> shift) == name:  # else another text of it came later
                    del heads[first >> shift]
            else:
                heads[first >> shift] = name
        if value is not None:
            self._rows[name] = bytes(value)

    def _row(self, name: str) -> Any:
        raw = self._rows.get(name)
        return MISS if raw is None else _decode(raw)

    def _by_network(self, key: Any) -> Any:
        address = as_ip(key)
        if address is None:
            return MISS
        version, number = address
        for (shift, of_version), heads in sorted(self._heads.items()):
            if of_version == version and (name := heads.get(number >> shift)) is not None:
                return self._row(name)
        return MISS
