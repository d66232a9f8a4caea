"""Definitions: following `_summit.definitions`, and publishing to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter
from summit.base.errors import Conflict, Invalid, Unavailable
from summit.base.limits import DEFINITION_PUBLISH_MS, FOLLOWER_READY_MS
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.settings import AdminConfig, ProducerConfig
from summit.client.types import ConsumerRecord, ProducerRecord
from summit.documents import PatternDocument, validate_document
from summit.journal.definition_log import (
    ABSENT_OFFSET,
    EXPECTED_OFFSET_HEADER,
    Change,
    Definition,
    DefinitionLog,
    definition_key,
)
from summit.journal.follower import LogFollower
from summit.journal.topics import DEFINITIONS, DEFINITIONS_TOPIC, ensure_topics

_PLACE = (DEFINITIONS_TOPIC, 0)


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A document that is in order, under the kind and id it is kept by."""

    kind: str
    id: str
    document: dict[str, Any]
    warnings: list[str] = []


Validate = Callable[[Mapping[str, Any]], Checked]


def check_document(document: Mapping[str, Any]) -> Checked:
    """Check a document of any kind; one without `kind` whose fields tell it gets it.

    Raises: Invalid as `validate_document`.
    """
    checked = validate_document(document)
    warnings = checked.warnings if isinstance(checked, PatternDocument) else ()
    return Checked(
        kind=checked.kind,
        id=checked.id,
        document={**document, "kind": checked.kind},
        warnings=list(warnings),
    )


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a document.

    Attributes:
        definition: As it is in force now.
        warnings: Texts to show to who published it.
    """

    definition: Definition
    warnings: list[str] = []


class Definitions(Emitter):
    """The definitions of the whole system, as the log decides; one loop's, start to stop.

    Event `change` with each `Change` that was accepted, in log order, those read at the start
    excepted. A writer reads its own write: `publish` returns when this follower has it.

    Args:
        servers: Addresses of the brokers.
        validate: Refuses a document (raises Invalid) or says what it is kept by.
    """

    def __init__(
        self,
        servers: Iterable[str],
        *,
        validate: Validate = check_document,
        clock: Clock | None = None,
        name: str = "summit-definitions",
    ) -> None:
        super().__init__()
        self._servers = list(servers)
        self._validate = validate
        self._name = name
        self._live = False
        self._producer: StreamProducer | None = None
        self._follower = LogFollower(self._servers, name, self._take, clock=clock or SystemClock())
        self.log = DefinitionLog()

    async def start(self, timeout_ms: int = FOLLOWER_READY_MS) -> None:
        """Make the topic where it is missing, and read what is there.

        Raises: Unavailable where no broker answers, or the topic is not read in time.
        """
        config = AdminConfig(client_id=self._name, bootstrap_servers=self._servers)
        async with Admin(config) as admin:
            await ensure_topics(admin, [DEFINITIONS])
        await self._follower.start({_PLACE: None})
        await self._follower.wait_caught_up(timeout_ms)
        self._live = True

    @property
    def failure(self) -> BaseException | None:
        """Why it reads no more; None while it does."""
        return self._follower.failure

    async def stop(self) -> None:
        """End reading and writing. Idempotent."""
        await self._follower.stop()
        if self._producer is not None:
            await self._producer.close()

    @property
    def next_offset(self) -> int:
        """Everything below this offset of the topic is read."""
        return self._follower.positions.get(_PLACE, 0)

    def current(self, kind: str | None = None) -> list[Definition]:
        """The definitions in force, in log order; of one kind, or all."""
        return self.log.current(kind)

    def get(self, kind: str, definition_id: str) -> Definition:
        """One definition. Raises Invalid("definition.unknown")."""
        found = self.log.get(kind, definition_id)
        if found is None:
            raise Invalid("definition.unknown", kind=kind, id=definition_id)
        return found

    async def publish(
        self, document: Mapping[str, Any], *, expected_offset: int | None = None
    ) -> Published:
        """Put a document in force everywhere; the same id = a new version.

        Args:
            expected_offset: Accept it only if the offset of the definition in force is this one
                (`ABSENT_OFFSET`: if there is none).
        Raises: Invalid from `validate`; Conflict("definition.conflict") when somebody else came
            first; Unavailable when the broker is away.
        """
        checked = self._validate(document)
        value = msgspec.json.encode(checked.document)
        change = await self._write(definition_key(checked.kind, checked.id), value, expected_offset)
        assert change.definition is not None
        return Published(definition=change.definition, warnings=checked.warnings)

    async def delete(
        self, kind: str, definition_id: str, *, expected_offset: int | None = None
    ) -> int:
        """Put a definition out of force; returns the offset of the deletion.

        With a rule goes what says that it begins with the past.

        Raises: Invalid("definition.unknown"); Conflict("definition.conflict"); Unavailable.
        """
        self.get(kind, definition_id)
        name = definition_id if kind == "pattern" else f"{kind}:{definition_id}"
        change = await self._write(definition_key(kind, definition_id), None, expected_offset)
        if kind != "backfill" and self.log.get("backfill", name) is not None:
            await self._write(definition_key("backfill", name), None, None)
        return change.offset

    async def wait_read(self, offset: int, timeout_ms: int = DEFINITION_PUBLISH_MS) -> None:
        """Wait until the record at `offset` is read. Raises Unavailable."""
        await self._follower.wait_read({_PLACE: offset + 1}, timeout_ms)

    async def wait_all(self, end: int, timeout_ms: int = DEFINITION_PUBLISH_MS) -> None:
        """Wait until everything below this offset is read. Raises: Unavailable; Closed."""
        await self._follower.wait_read({_PLACE: end}, timeout_ms)

    async def _write(self, key: str, value: bytes | None, expected_offset: int | None) -> Change:
        producer = await self._connected()
        headers: dict[str, str | bytes | None] = {}
        if expected_offset is not None:
            headers[EXPECTED_OFFSET_HEADER] = str(expected_offset)
        result = await producer.send(
            ProducerRecord(
                topic=DEFINITIONS_TOPIC, partition=0, key=key, value=value, headers=headers
            )
        )
        try:
            await self.wait_read(result.offset)
        except Unavailable as error:
            raise Unavailable(
                "definition.not_readable", timeout_ms=DEFINITION_PUBLISH_MS
            ) from error
        change = self.log.change_at(result.offset)
        assert change is not None
        if change.decision == "conflict":
            raise Conflict(
                "definition.conflict",
                key=key,
                reason=change.reason,
                current_offset=change.current_offset,
            )
        if not change.accepted:
            raise Invalid("definition.invalid", key=key, reason=change.reason)
        return change

    async def _connected(self) -> StreamProducer:
        if self._producer is None:
            producer = StreamProducer(
                ProducerConfig(client_id=self._name, bootstrap_servers=self._servers, linger_ms=0)
            )
            await producer.connect()
            self._producer = producer
        return self._producer

    def _take(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            change = self.log.apply(
                record.offset, record.timestamp, record.key, record.value, record.headers.pairs
            )
            if change.accepted and self._live:
                self.emit("change", change)


__all__ = ["ABSENT_OFFSET", "Checked", "Definitions", "Published", "Validate", "check_document"]
