"""One side of the comparison: connections to a broker, and its answers in a comparable form.

`Side.ask` builds a request from plain dicts by our protocol tables, sends it, and keeps the answer
under a step's name and the version. Two brokers differ in what is nobody's promise: ids, ports,
times, the texts of error messages, the order in lists. `Names` gives those symbols, in the order
in which they appear; everything else is kept as it came. A name's prefix and its version, "-v7",
are cut off. Fields that a version lacks and fields
with the table's default are left out, so that versions that answer alike look alike.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from tests.broker.wire import Wire

from summit.base.errors import Invalid, SummitError
from summit.protocol import codes
from summit.protocol.api import Api
from summit.protocol.create_topics import CREATE_TOPICS
from summit.protocol.find_coordinator import FIND_COORDINATOR
from summit.protocol.list_offsets import LIST_OFFSETS
from summit.protocol.message import REQUIRED, Message, WireType
from summit.protocol.metadata import METADATA
from summit.protocol.primitives import ZERO_UUID
from summit.records import CODECS, iter_records, parse_header, read_marker

CLOSED = "closed the connection"
SILENT = "did not answer"

_TIMEOUT_S = 60.0
_SETTLES_S = 20.0
_PAUSE_S = 0.02
_SLOW_S = 2.0  # a step that takes longer is worth a line
_NOW_MS_MIN = 1_600_000_000_000
_UUID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")
# What a broker says while it has not yet spread or loaded what was just changed: ask again.
_SOON = frozenset({
    codes.LEADER_NOT_AVAILABLE, codes.NOT_LEADER_OR_FOLLOWER, codes.COORDINATOR_LOAD_IN_PROGRESS,
    codes.COORDINATOR_NOT_AVAILABLE, codes.NOT_COORDINATOR, codes.CONCURRENT_TRANSACTIONS,
})  # fmt: skip


class Side:
    """What a scenario drives. One per scenario; `answers` is `{step: {version: answer}}`.

    Args:
        prefix: Begins every name that the scenario makes; lists are cut to those names.
        rest_s: How long `rest` waits: Kafka tells its parts of a change after it has answered.
    """

    def __init__(self, host: str, port: int, prefix: str, *, rest_s: float = 0.0) -> None:
        self._rest_s = rest_s
        self.prefix = prefix
        self.answers: dict[str, dict[int, Any]] = {}
        self.names = Names(prefix)
        self._address = (port, host)
        self._lines: dict[str, Wire] = {}

    def close(self) -> None:
        for line in self._lines.values():
            line.close()

    # ---- requests ----

    def ask(
        self,
        step: str,
        api: Api[Any, Any],
        version: int,
        fields: dict[str, Any] | None = None,
        *,
        line: str = "main",
        settles: bool = True,
        mine: bool = False,
        until: Callable[[Any], bool] | None = None,
    ) -> Any:
        """Send a request, keep and return its answer: a message, or one of the texts above.

        Args:
            step: What it shows; steps of the same name differ by their version.
            line: Which of the scenario's connections; made when it is new.
            settles: Whether to ask again while the broker says that it is not ready.
            mine: Keep only the parts of lists that carry a name of this scenario.
            until: Ask again until this holds of the answer, for what takes effect later.
        """  # fmt: skip
        begun = time.monotonic()
        while True:
            self.start(api, version, fields, line=line)
            answer = self._receive(api, version, line)
            is_early = settles and not isinstance(answer, str) and not _SOON.isdisjoint(
                _errors(answer)
            )  # fmt: skip
            is_early = is_early or (until is not None and not until(answer))
            if not is_early or time.monotonic() > begun + _SETTLES_S:
                break
            time.sleep(_PAUSE_S)
        if time.monotonic() > begun + _SLOW_S:
            print(f"slow: {step} v{version}: {answer!r}"[:200], file=sys.stderr, flush=True)
        return self._keep(step, api, version, answer, mine=mine)

    def start(
        self, api: Api[Any, Any], version: int, fields: dict[str, Any] | None = None,
        *, line: str = "main",
    ) -> None:  # fmt: skip
        """Send a request whose answer `finish` takes, or nobody when there is none."""
        message = build(api.request, version, fields or {})
        self._line(line).send(api, version, message)

    def finish(self, step: str, api: Api[Any, Any], version: int, *, line: str = "main") -> Any:
        """The answer to what was started on a line."""
        return self._keep(step, api, version, self._receive(api, version, line))

    def send_raw(self, step: str, version: int, frame: bytes) -> None:
        """Send bytes as they are and keep whether the broker ends the connection."""
        with Wire(*self._address, timeout_s=_TIMEOUT_S) as wire:
            wire.send_raw(frame)
            told = CLOSED if wire.is_closed_by_broker() else "answered"
        self.answers.setdefault(step, {})[version] = told

    def note(self, step: str, version: int, value: Any) -> None:
        """Keep something that was worked out of several answers."""
        self.answers.setdefault(step, {})[version] = value

    # ---- the common ones, which keep nothing ----

    def find_coordinators(self) -> None:
        """Have both coordinators ready, as every client does before it speaks to them."""
        for kind in (0, 1):
            asked = {"coordinator_keys": [self.prefix], "key_type": kind}
            deadline = time.monotonic() + _TIMEOUT_S
            while self.quietly(FIND_COORDINATOR, 4, asked).coordinators[0].error_code:
                assert time.monotonic() < deadline, "no coordinator"
                time.sleep(_PAUSE_S)

    def create(self, name: str, partitions: int = 1, **configs: str) -> uuid.UUID:
        """Make a topic of this scenario and wait until it serves; its id."""
        pairs = [{"name": k.replace("_", "."), "value": v} for k, v in configs.items()]
        topic = {"name": self.mine(name), "num_partitions": partitions, "replication_factor": 1,
                 "configs": pairs}  # fmt: skip
        made = self.quietly(CREATE_TOPICS, 7, {"topics": [topic]}).topics[0]
        assert made.error_code == 0, f"{self.mine(name)}: {made.error_code} {made.error_message}"
        self.settle(name, partitions)
        self.names.learn_id(made.topic_id, name)
        return uuid.UUID(bytes=made.topic_id.bytes)

    def settle(self, name: str, partitions: int = 1) -> uuid.UUID:
        """Wait until a topic's partitions are known and led; its id."""
        parts = [{"partition_index": p, "timestamp": -1} for p in range(partitions)]
        asked = {"topics": [{"name": self.mine(name), "partitions": parts}]}
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            known = self.quietly(METADATA, 12, {
                "topics": [{"name": self.mine(name)}], "allow_auto_topic_creation": False,
            }).topics[0]  # fmt: skip
            if known.error_code == 0 and len(known.partitions) == partitions:
                answer = self.quietly(LIST_OFFSETS, 7, asked)
                if not any(part.error_code for part in answer.topics[0].partitions):
                    self.names.learn_id(known.topic_id, name)
                    return uuid.UUID(bytes=known.topic_id.bytes)
            time.sleep(_PAUSE_S)
        raise TimeoutError(f"{self.mine(name)} does not serve")

    def rest(self) -> None:
        """Let what was just changed take effect."""
        time.sleep(self._rest_s)

    def quietly(self, api: Api[Any, Any], version: int, fields: dict[str, Any]) -> Any:
        """Ask, again while the broker is not ready, without keeping the answer."""
        begun = time.monotonic()
        while True:
            self.start(api, version, fields)
            answer = self._receive(api, version, "main")
            if time.monotonic() > begun + _SETTLES_S or _SOON.isdisjoint(_errors(answer)):
                return answer
            time.sleep(_PAUSE_S)

    def mine(self, name: str) -> str:
        """A name of this scenario's own."""
        return f"{self.prefix}-{name}"

    # ---- small parts ----

    def _line(self, name: str) -> Wire:
        if name not in self._lines:
            self._lines[name] = Wire(*self._address, timeout_s=_TIMEOUT_S)
        return self._lines[name]

    def _receive(self, api: Api[Any, Any], version: int, line: str) -> Any:
        try:
            return self._line(line).receive(api, version)
        except (EOFError, ConnectionResetError, BrokenPipeError):
            self._lines.pop(line).close()
            return CLOSED
        except TimeoutError:
            self._lines.pop(line).close()
            return SILENT
        except Invalid as error:  # not as the tables have it
            return str(error)

    def _keep(
        self, step: str, api: Api[Any, Any], version: int, answer: Any, *, mine: bool = False
    ) -> Any:
        told = answer
        if isinstance(answer, Message):
            told = self.names.plain(answer, version, self.prefix if mine else None)
        kept = self.answers.setdefault(step, {})
        assert version not in kept, f"{step} v{version} is there twice"
        kept[version] = told
        return answer


class Names:
    """Symbols for what every broker invents anew: topic ids, member ids, producer ids, times."""

    def __init__(self, prefix: str) -> None:
        self._own = re.compile(re.escape(prefix) + r"-|-v\d+\b")
        self._known: dict[object, str] = {}
        self._counts: dict[str, int] = {}

    def learn_id(self, topic_id: uuid.UUID, name: str) -> None:
        self._known[str(topic_id)] = f"<id of {self._own.sub('', name)}>"

    def plain(self, message: Message, version: int, only: str | None) -> dict[str, Any]:
        """A message as JSON has it, with symbols."""
        found: dict[str, Any] = {}
        for row in type(message).FIELDS:
            if version not in row.versions or row.name in _TEXTS:
                continue
            value = getattr(message, row.name)
            if row.default is not REQUIRED and value == row.default:
                continue
            if isinstance(value, list) and not value and row.default_factory is not None:
                continue
            found[row.name] = self._value(row.name, row.type, value, version, only)
        return found

    def _value(self, name: str, kind: WireType, value: Any, version: int, only: str | None) -> Any:
        if kind.kind == "records":
            return self._records(value)
        if value is None:
            return None
        if kind.kind == "struct":
            return self.plain(value, version, None)
        if kind.kind == "array":
            items = [item for item in value if only is None or _is_of(item, only)]
            items.sort(key=self._identity)
            return [self._value(name, kind.item, item, version, None) for item in items]
        return self._scalar(name, value)

    def _identity(self, item: Any) -> str:
        """What items of a list are sorted by: names, numbers, symbols."""
        if not isinstance(item, Message):
            return str(item).rjust(12)
        values = (getattr(item, name, "") for name in _IDENTITIES)
        known = (self._known.get(_UUID.findall(str(value))[0], value)
                 if isinstance(value, str | uuid.UUID) and _UUID.search(str(value)) else value
                 for value in values)  # fmt: skip
        return "|".join(str(value).rjust(12) for value in known)

    def _scalar(self, name: str, value: Any) -> Any:
        if isinstance(value, uuid.UUID):
            return "none" if value == ZERO_UUID else self._known.get(str(value), "<an id>")
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value).decode("ascii", "backslashreplace")
        if name in _HIDDEN and value not in (None, -1, 0, ""):
            return f"<{name}>"
        if name == "producer_id" and value != -1:
            return self._symbol((name, value), "producer")
        if isinstance(value, str):
            told = _UUID.sub(lambda match: self._symbol(match[0], "uuid"), value)
            return self._own.sub("", told)
        if isinstance(value, int) and not isinstance(value, bool) and value > _NOW_MS_MIN:
            return "<now>" if value < 1 << 50 else value
        return value

    def _symbol(self, key: object, kind: str) -> str:
        if key not in self._known:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._known[key] = f"<{kind} {self._counts[kind]}>"
        return self._known[key]

    def _records(self, data: Any) -> list[str] | None:
        if data is None:
            return None
        return [self._batch(batch) for batch in batches_of(bytes(data))]

    def _batch(self, batch: bytes) -> str:
        try:
            head = parse_header(batch)
        except SummitError:
            return f"{len(batch)} bytes of a batch"
        if len(batch) < head.size:
            return f"part of the batch at {head.base_offset}"
        told = [f"{head.base_offset}-{head.last_offset}", f"epoch {head.leader_epoch}"]
        if head.codec:
            told.append(CODECS[head.codec].name if head.codec < len(CODECS) else str(head.codec))
        if head.is_log_append_time:
            told.append("append time")
        if head.producer_id >= 0:
            producer = self._scalar("producer_id", head.producer_id)
            told.append(f"{producer}/{head.producer_epoch} sequence {head.base_sequence}")
        if head.is_control:
            marker = read_marker(batch)
            told.append(f"marker {'commit' if marker.is_commit else 'abort'}")
            return ", ".join(told)
        if head.is_transactional:
            told.append("transactional")
        records = [
            f"{r.offset}@{self._scalar('timestamp', r.timestamp)} "
            f"{(r.key or b'').decode('ascii', 'backslashreplace')}="
            + ("null" if r.value is None else f"{r.value[:12].decode('ascii', 'backslashreplace')}")
            for r in iter_records(batch)
        ]
        return ", ".join(told) + ": " + " ".join(records)


# Values that belong to a place, not to a behaviour.
_HIDDEN = frozenset({
    "host", "port", "cluster_id", "log_dir", "total_bytes", "usable_bytes", "client_host",
    "finalized_features_epoch", "session_id",
    # Kafka learns of topics later than it answers, and then begins another epoch.
    "member_epoch", "group_epoch", "assignment_epoch",
})  # fmt: skip


_TEXTS = ("error_message", "batch_index_error_message")  # in each broker's own words, or none
_IDENTITIES = (
    "name", "topic", "topic_name", "topic_id", "resource_type", "resource_name", "group_id",
    "transactional_id", "key", "source", "index", "partition_index", "partition", "error_code",
    "member_id",
)  # fmt: skip


def batches_of(data: bytes) -> Iterator[bytes]:
    """Batch after batch; the last may be cut off."""
    position = 0
    while position < len(data):
        size = len(data) - position
        with contextlib.suppress(SummitError):
            size = min(size, max(12, parse_header(data, position).size))
        yield data[position : position + size]
        position += size


def build(message: type[Message], version: int, fields: dict[str, Any]) -> Message:
    """A message of dicts; required fields that are not given are zero, or empty."""
    values: dict[str, Any] = {}
    names = {row.name for row in message.FIELDS}
    assert names >= fields.keys(), f"{message.__name__} has no {fields.keys() - names}"
    for row in message.FIELDS:
        if row.name in fields:
            values[row.name] = _built(row.type, version, fields[row.name])
        elif row.default is REQUIRED and row.default_factory is None:
            zero = row.zero
            values[row.name] = [] if isinstance(zero, list) else zero
    return message(**values)


def _built(kind: WireType, version: int, value: Any) -> Any:
    if kind.kind == "struct" and isinstance(value, dict):
        return build(kind.message, version, value)
    if kind.kind == "array" and value is not None:
        return [_built(kind.item, version, item) for item in value]
    return value


def _errors(message: Message) -> Iterator[int]:
    """Every error code in a message."""
    for row in type(message).FIELDS:
        value = getattr(message, row.name)
        if isinstance(value, Message):
            yield from _errors(value)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, Message):
                    yield from _errors(item)
        elif row.name.endswith("error_code"):
            yield value


def _is_of(item: Any, prefix: str) -> bool:
    """Whether an item of a list carries a name with the prefix, or no name at all."""
    for name in ("group_id", "transactional_id", "name", "topic", "resource_name"):
        value = getattr(item, name, None)
        if isinstance(value, str):
            return value.startswith(prefix)
    return True
