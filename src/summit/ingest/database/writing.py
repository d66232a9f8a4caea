"""From changes to records, and both with their position in one transaction."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Closed, Invalid, SummitError
from summit.base.limits import DATABASE_TRANSACTION_TIMEOUT_MS
from summit.client.dead_letters import dead_letter_topic
from summit.client.outgoing import bytes_of
from summit.client.producer import StreamProducer
from summit.client.types import ProducerRecord
from summit.ingest.database.changes import (
    ROW_FAULTS,
    Change,
    Enveloper,
    record_key,
    replaced_key,
)
from summit.ingest.database.positions import (
    KEY,
    encode_position,
    load_position,
    positions_topic,
)
from summit.ingest.database.source import Position
from summit.ingest.settings import CollectorConfig
from summit.ingest.shaping import SOURCE_HEADER, Shaper
from summit.ingest.topics import ensure_topic

Pairs = list[tuple[str, str | bytes | None]]

_FRAME_BYTES: Final = 512  # what a batch takes around one record
_KEY_BYTES: Final = 4_096  # of the key that a dead letter tells


class Tally(NamedTuple):
    """What a batch of changes became.

    Attributes:
        events: Records that are events.
        size_bytes: Their bytes.
        letters: Dead letters.
        sampled: Events that sampling left out.
        fault: Why the last of the dead letters is one.
    """

    events: int = 0
    size_bytes: int = 0
    letters: int = 0
    sampled: int = 0
    fault: SummitError | None = None

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.events + other.events, self.size_bytes + other.size_bytes,
            self.letters + other.letters, self.sampled + other.sampled, other.fault or self.fault,
        )  # fmt: skip


class Writer:
    """Writes what one collector reads; knows what it has written.

    Its transactional id is the collector's: two of one name shut each other out, the newest wins.

    Args:
        source_id: What the events name as their source.
        owner: Stands for one start of one collector.
        is_again: It had a writer before: if somebody else has opened the positions since, it ends.
    """

    def __init__(
        self, config: CollectorConfig, addresses: list[str], source_id: str, clock: Clock,
        *, owner: str, is_again: bool,
    ) -> None:  # fmt: skip
        self._config = config
        self._owner = owner
        self._is_again = is_again
        self._options: Any = config.block
        self._addresses = addresses
        self._enveloper = Enveloper(source_id, config.name)
        self._shaper = Shaper(config, clock)
        self._is_plain = (
            self._shaper.is_plain and config.key_field is None and config.key_template is None
        )
        self._has_key = config.key_field is not None or config.key_template is not None
        self._encoder = msgspec.json.Encoder()
        self._positions = positions_topic(config.name)
        self._producer = StreamProducer(
            {
                "bootstrapServers": addresses,
                "clientId": f"summit-database-{config.name}",
                "transactionalId": f"summit-database-{config.name}",
                "lingerMs": 5,
                "transactionTimeoutMs": DATABASE_TRANSACTION_TIMEOUT_MS,
            }
        )
        self._max_bytes = self._producer.config.max_request_size - _FRAME_BYTES
        self._is_open = False

    async def open(self) -> Position | None:
        """Shut out earlier writers of the collector; the last position that is written.

        Raises: Unavailable; Invalid("topic.name_invalid"); Corrupt; Closed("collector.taken_over").
        """
        topic = self._config.topic
        for name in (topic, dead_letter_topic(topic), self._options.schema_topic):
            if name is not None:
                await ensure_topic(self._addresses, name)
        await self._producer.connect()
        stored = await load_position(self._addresses, self._positions)
        position = None if stored is None else stored.position
        if self._is_again and (stored is None or stored.owner != self._owner):
            raise Closed("collector.taken_over", name=self._config.name)
        await self._commit(position)
        return position

    async def write(self, changes: list[Change]) -> Tally:
        """Write changes into the open transaction, or a new one; they count after `commit`.

        Raises: SummitError: nothing of the transaction will be there; close, and make another.
        """
        await self._begin()
        records, tally = self._records(changes)
        if records:
            await self._producer.send_batch(records)
        return tally

    async def commit(self, position: Position) -> None:
        """Make the open transaction, and the position behind it, durable. Raises as `write`."""
        await self._commit(position)

    async def _commit(self, position: Position | None) -> None:
        await self._begin()
        value = encode_position(self._owner, position)
        record = ProducerRecord(topic=self._positions, key=KEY, value=value, partition=0)
        await self._producer.send_batch([record])
        await self._producer.commit_transaction()
        self._is_open = False

    async def close(self) -> None:
        """Abort what is open, and let go of the brokers. Idempotent."""
        await self._producer.close()

    async def _begin(self) -> None:
        if not self._is_open:
            await self._producer.begin_transaction()
            self._is_open = True

    # ---- records ----

    def _records(self, changes: list[Change]) -> tuple[list[ProducerRecord], Tally]:
        topic, encode = self._config.topic, self._encoder.encode
        schema_topic = self._options.schema_topic or topic
        tombstones, enveloper = self._options.tombstones, self._enveloper
        records: list[ProducerRecord] = []
        size_bytes = 0
        rest = Tally()
        for change in changes:
            coordinate = enveloper.coordinate(change)
            if change.fault is not None:
                rest = rest.plus(self._bury(records, change, coordinate, change.fault))
                continue
            event = enveloper.event(change, coordinate)
            made = len(records)
            try:
                value = encode(event)
                key = record_key(change.table, change.key)
                if change.op != "s" and not self._is_plain:
                    rest = rest.plus(self._shape(records, change, event, value, coordinate))
                    continue
                headers: Pairs = [(SOURCE_HEADER, coordinate.encode())]
                to = schema_topic if change.op == "s" else topic
                record = ProducerRecord(topic=to, value=value, key=key, headers=headers)
                fault = self._excess(record, headers)
                if fault is None:
                    records.append(record)
                    if tombstones:
                        self._end_key(records, change, to, headers)
                    size_bytes += len(value)
                    continue
                bad = change._replace(raw=value)
            except ROW_FAULTS as error:  # what JSON cannot hold
                del records[made:]
                fault = Invalid("database.row", reason=repr(error)[:1_000])
                bad = change._replace(raw=_shown(event), key=None)
            rest = rest.plus(self._bury(records, bad, coordinate, fault))
        count = len(changes) - rest.letters - rest.sampled - rest.events
        return records, rest.plus(Tally(count, size_bytes))

    def _shape(
        self,
        records: list[ProducerRecord],
        change: Change,
        event: dict[str, Any],
        value: bytes,
        coordinate: str,
    ) -> Tally:
        """The records of an event that sampling, a schema or a template looks at."""
        shaped = self._shaper.shape([value], [event], [], lambda _: coordinate)
        if shaped.sampled:
            return Tally(sampled=1)
        fault = shaped.refused.get(0)
        if fault is not None:  # there is nobody to send it back to
            return self._bury(records, change._replace(raw=value), coordinate, fault)
        (draft,) = shaped.drafts
        key = draft.key if self._has_key else record_key(change.table, change.key)
        headers: Pairs = [*draft.headers]
        record = ProducerRecord(topic=draft.topic, value=value, key=key, headers=headers)
        fault = self._excess(record, headers)
        if fault is not None:
            return self._bury(records, change._replace(raw=value), coordinate, fault)
        records.append(record)
        if self._options.tombstones and not self._has_key:
            self._end_key(records, change, draft.topic, headers)
        return Tally(1, len(value))

    def _excess(self, record: ProducerRecord, headers: Pairs) -> Invalid | None:
        """Why a record is too large for the producer; None: it is not."""
        size, limit = bytes_of(record.key, record.value, headers), self._max_bytes
        if size <= limit:
            return None
        reason = f"{size} bytes are more than the {limit} that a collector writes"
        return Invalid("record.too_large", topic=record.topic, reason=reason)

    @staticmethod
    def _end_key(records: list[ProducerRecord], change: Change, topic: str, headers: Pairs) -> None:
        old = replaced_key(change)
        if old is not None:
            key = record_key(change.table, old)
            records.append(ProducerRecord(topic=topic, key=key, headers=headers))

    def _bury(
        self, records: list[ProducerRecord], change: Change, coordinate: str, fault: SummitError
    ) -> Tally:
        bad = fault if isinstance(fault, Invalid) else Invalid("database.row", reason=str(fault))
        headers = [(SOURCE_HEADER, coordinate.encode()), ("cdc.table", change.table.encode())]
        if (
            change.key is not None
            and len(key := record_key(change.table, change.key)) <= _KEY_BYTES
        ):
            headers.append(("cdc.key", key))
        letter = self._shaper.letter(0, change.raw, headers, bad)
        pairs: Pairs = [*letter.headers]
        records.append(ProducerRecord(topic=letter.topic, value=letter.value, headers=pairs))
        return Tally(letters=1, fault=fault)


def _shown(event: dict[str, Any]) -> bytes:
    """An event that JSON cannot hold, as far as it can be shown."""
    try:
        return repr(event).encode(errors="backslashreplace")
    except RecursionError:
        return b""
