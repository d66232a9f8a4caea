"""All active rules compiled together: what to decode, whom an event concerns, how to run it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from summit.base.errors import Invalid
from summit.base.limits import CAPTURED_BYTES_MAX
from summit.documents.stream import StreamPlan
from summit.events.fields import candidates
from summit.events.layouts import TypedLayout
from summit.keyed.probes import ProbeCompiler
from summit.keyed.rule import EVENT_TYPE, KeyedRule, sees_topic
from summit.keyed.scan import Scan, compile_scan
from summit.keyed.type_index import TypeIndex

_TIMESTAMP = ("timestamp",)
_AS_THEY_COME = StreamPlan()


class RuleSet:
    """Rules, one layout for all of them, and an index per topic. Holds no state of runs.

    Attributes:
        rules: In the order of their ids; their position is the rule number of the probes.
        streams: How topics are read, in the order of their ids.
        layout: Decodes only what these rules read.
        needs_record: Whether some rule reads the record around the event.
        paused: Ids of rules that see no events and raise nothing; their state is kept.
    """

    def __init__(
        self,
        rules: Sequence[KeyedRule],
        streams: Sequence[StreamPlan] = (),
        paused: Collection[str] = (),
        captured_bytes_max: int = CAPTURED_BYTES_MAX,
    ) -> None:
        self._bytes_max = captured_bytes_max
        self.rules = tuple(rules)
        self.streams = tuple(streams)
        self.paused = frozenset(paused)
        self._stream_of: dict[str, StreamPlan] = {}
        fields = {path for rule in rules for path in rule.fields()}
        self.needs_record = any(
            place.place == "record" for path in fields for place in candidates(path)
        )
        self.layout = TypedLayout(fields | {EVENT_TYPE, _TIMESTAMP})
        self._scan = compile_scan(self.layout, needs_record=self.needs_record)
        self._compiler = ProbeCompiler(
            self.layout, [rule.key_of(self.layout) for rule in self.rules]
        )
        self._indexes: dict[str, TypeIndex | None] = {}
        self._shared: dict[tuple[int, ...], TypeIndex] = {}

    def index(self, topic: str) -> TypeIndex | None:
        """What the events of a topic concern; None = nothing, they need not be decoded."""
        if topic not in self._indexes:
            seeing = self._seeing(topic)
            # Where all of them are paused, time is kept all the same.
            acting = tuple(n for n in seeing if self.rules[n].id not in self.paused)
            self._indexes[topic] = self._index_of(acting) if seeing else None
        return self._indexes[topic]

    def whole_index(self, topic: str) -> TypeIndex | None:
        """The same with the paused rules: for events that they have seen before."""
        seeing = self._seeing(topic)
        return self._index_of(seeing) if seeing else None

    def _seeing(self, topic: str) -> tuple[int, ...]:
        return tuple(n for n, rule in enumerate(self.rules) if sees_topic(rule.topics, topic))

    def _index_of(self, numbers: tuple[int, ...]) -> TypeIndex:
        found = self._shared.get(numbers)
        if found is None:
            rules = [(number, self.rules[number]) for number in numbers]
            found = self._shared[numbers] = TypeIndex(rules, self._compiler, self.layout)
        return found

    def stream(self, topic: str) -> StreamPlan:
        """How the events of a topic are read: as the first stream says that has it."""
        found = self._stream_of.get(topic)
        if found is None:
            found = next((stream for stream in self.streams if stream.has(topic)), _AS_THEY_COME)
            self._stream_of[topic] = found
        return found

    @property
    def scan(self) -> Scan:
        """The loop over the events of a chunk."""
        return self._scan

    def decode(self, value: bytes) -> Any:
        """Decode one event with the fields of all rules. Raises: one of `event.DECODE_ERRORS`."""
        return self.layout.decode(value)

    def keep(self, event: Any, value: Any) -> tuple[bytes, bool]:
        """What lanes keep of an event.

        Returns: Its value, and true; of a long one the fields that rules read, as JSON that
            `decode` takes, and false.
        """
        if len(value) <= self._bytes_max:
            return bytes(value), True
        return self._project(event), False

    def _project(self, event: Any) -> bytes:
        if event.t is None:
            return msgspec.json.encode(event)
        record, event.t = event.t, None
        projected = msgspec.json.encode(event)
        event.t = record
        return projected


def make_rule_set(
    rules: Iterable[KeyedRule],
    streams: Iterable[StreamPlan] = (),
    paused: Collection[str] = (),
    captured_bytes_max: int = CAPTURED_BYTES_MAX,
) -> RuleSet:
    """A set of rules of any kinds.

    Args:
        streams: How topics are read; the others in arrival order.
        paused: Ids of rules that are to rest.
        captured_bytes_max: Of an event longer than this lanes keep only what rules read.
    Raises: Invalid("pattern.steps") for two rules with one id.
    Cost: linear in the rules; predicates are compiled when the first event needs them.
    """
    named: dict[str, KeyedRule] = {}
    for rule in rules:
        if rule.id in named:
            raise Invalid("pattern.steps", step="", reason=f"two rules have the id '{rule.id}'")
        named[rule.id] = rule
    in_order = sorted(streams, key=lambda stream: stream.id)
    return RuleSet([named[name] for name in sorted(named)], in_order, paused, captured_bytes_max)
