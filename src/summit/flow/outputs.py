"""What a worker writes for one cut, as records; and what becomes of one that a topic refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

import msgspec

from summit.alerts import Alert, encode_alert
from summit.alerts.entries import Repeated, encode_entry, fired_entry
from summit.base.errors import Invalid
from summit.base.limits import PACKED_BYTES_MIN, WAIT_BYTES_MAX
from summit.base.logs import get_logger
from summit.client.dead_letters import DeadLetter, DeadLetterError, dead_letter_topic
from summit.client.transactor import Outgoing, Written
from summit.client.types import ConsumerRecord
from summit.flow.calling import encode_call
from summit.flow.effects import Call, Effects, Publish, starts_topic
from summit.flow.runtime import Cut
from summit.flow.tracing import Headers
from summit.journal.activation_log import Activation, encode_activation
from summit.journal.exchange_log import encode_frames
from summit.journal.progress_record import Positions
from summit.journal.state_log import state_owner, state_partition
from summit.journal.time_log import encode_time
from summit.journal.topics import (
    ACTIVATIONS_TOPIC,
    ALERT_STATE_TOPIC,
    ALERTS_TOPIC,
    CALLS_TOPIC,
    CORRELATIONS_TOPIC,
    EXCHANGE_TOPIC,
    RESULTS_TOPIC,
    STATE_TOPIC,
    TIME_TOPIC,
)
from summit.keyed.keygroups import KEY_GROUPS
from summit.keyed.outputs import Remote

_EVIDENCE_SHORT: Final = 50
_PARTS_MAX: Final = 64  # into which suspects are taken apart at a time
OWN_TOPICS: Final = frozenset({ALERTS_TOPIC, CALLS_TOPIC, CORRELATIONS_TOPIC, RESULTS_TOPIC})
"""Those of the workers: whoever may not write there waits until that is mended."""
_ALWAYS_THERE: Final = frozenset({ALERTS_TOPIC, CALLS_TOPIC})


HeadersOf = Callable[[Alert], Headers | None]


def _no_headers(_: Alert) -> Headers | None:
    return None


class _Item(NamedTuple):
    record: Outgoing
    alert: Alert | None = None
    is_apart: bool = False  # what stands before it goes in other batches


class Sent(NamedTuple):
    """What the stage writes for one cut.

    Attributes:
        routed: Events that routes send.
        recorded: What enrichments have found.
    """

    routed: Sequence[Outgoing] = ()
    recorded: Sequence[Outgoing] = ()

    def __bool__(self) -> bool:
        return bool(self.routed or self.recorded)


_NOTHING: Final = Sent()


class Outputs:
    """The records of one transaction.

    Args:
        letters: Dead letters.
        acts: From which offsets of the inputs on they act, where that is to be said.
        sent: What the stage writes.
        headers: Gives those of the records of an alert.

    Attributes:
        made_topics: Those written to that are not always there.
        undeliverable: By topic, how many records are not written.
    """

    def __init__(
        self,
        cut: Cut,
        held: frozenset[int],
        letters: list[Outgoing],
        acts: Positions | None = None,
        sent: Sent = _NOTHING,
        headers: HeadersOf = _no_headers,
    ) -> None:
        self._items: list[_Item] = []
        self.undeliverable: Counter[str] = Counter()
        self.published = 0
        self._headers_of = headers
        for made in cut.made:
            self._add(made.effects)
        self._items += map(_Item, (*cut.records, *letters, *sent.routed))
        self.made_topics = {item.record.topic for item in self._items} - _ALWAYS_THERE
        others: list[Outgoing] = list(sent.recorded)
        for group in range(KEY_GROUPS):
            if group not in held and (cut.told or cut.ready or group in cut.remote):
                events = self._that_fit(cut.remote.get(group, ()))
                frames = encode_frames(
                    events, cut.told, cut.mark,
                    acting=cut.acting, ready=cut.ready,
                )  # fmt: skip
                others += [Outgoing(EXCHANGE_TOPIC, None, frame, group) for frame in frames]
        self.exchange_bytes = sum(
            len(record.value or b"") for record in others if record.topic == EXCHANGE_TOPIC
        )
        self.exchange_events = sum(map(len, cut.remote.values()))
        self.state_records = sum(map(len, cut.state.values()))
        self.state_bytes = 0
        self._state = cut.state
        for group, records in cut.state.items():
            for key, value in records:
                others.append(Outgoing(STATE_TOPIC, key, value, state_partition(group)))
                self.state_bytes += len(key) + len(value or b"")
        if acts:
            value = encode_activation(Activation(cut.acting, acts, timed=True))
            others.append(Outgoing(ACTIVATIONS_TOPIC, None, value, 0))
        others += [Outgoing(TIME_TOPIC, None, encode_time(mark), 0) for mark in cut.clock]
        # The entries of the alerts that stand come before those of what they stand for.
        self._repeated = [
            Outgoing(
                ALERT_STATE_TOPIC, None,
                encode_entry(Repeated(by="summit", id=name, count=count, last_seen=last_ms)), 0,
            )
            for name, (count, last_ms) in cut.suppressed.items()
        ]  # fmt: skip
        self._others = others

    def _that_fit(self, events: Sequence[Remote]) -> Sequence[Remote]:
        """Those that a frame can hold; with others no transaction would ever be written."""
        if all(len(event.value) < PACKED_BYTES_MIN // 2 for event in events):
            return events
        found = []
        for event in events:
            (frame,) = encode_frames([event], {}, 0)
            if len(frame) <= WAIT_BYTES_MAX:
                found.append(event)
                continue
            self.undeliverable[EXCHANGE_TOPIC] += 1
            get_logger(__name__).error(
                "output.undeliverable", topic=EXCHANGE_TOPIC, error="longer than a record",
                record=f"{event.topic}/{event.partition}/{event.offset}", key_group=event.group,
            )  # fmt: skip
        return found

    def _add(self, effects: Effects) -> None:
        if effects.alert is not None:
            headers = self._headers_of(effects.alert)
            self._items.append(_Item(alert_record(effects.alert, headers), effects.alert))
        self._items += [_Item(published_record(each)) for each in effects.publishes]
        self.published += len(effects.publishes)
        if effects.call is not None:
            self._items.append(_Item(call_record(effects.call)))
        if effects.cut:
            topic = starts_topic(effects.action.pattern or "")
            self.undeliverable[topic] += 1
            get_logger(__name__).error("pattern.not_started", pattern=effects.action.pattern)

    @property
    def alerts(self) -> int:
        """How many alerts there are."""
        return sum(item.alert is not None for item in self._items)

    @property
    def watched(self) -> list[Outgoing]:
        """What a topic may refuse: alerts, what actions and routes write, correlations, letters."""
        return [item.record for item in self._items]

    @property
    def others(self) -> list[Outgoing]:
        """Frames, state, rows looked up; which alerts fired (those written) or were suppressed."""
        fired = [
            fired_record(item.alert, item.record.headers)
            for item in self._items if item.alert is not None
        ]  # fmt: skip
        return [*self._others, *fired, *self._repeated]

    @property
    def apart(self) -> set[int]:
        """Indexes of what is watched that begin a batch of their own."""
        return {index for index, item in enumerate(self._items) if item.is_apart}

    @property
    def state_bytes_largest(self) -> int:
        """Length of the largest record of state; 0 = none, or others are as large."""
        largest = self._largest()
        if largest is None:
            return 0
        size = largest[0] + len(largest[2])
        rest = (len(each.value or b"") for each in self._others if each.topic != STATE_TOPIC)
        return size if size > max(rest, default=0) else 0

    def _largest(self) -> tuple[int, int, bytes] | None:
        return max(
            ((len(value or b""), group, name)
             for group, records in self._state.items() for name, value in records),
            default=None,
        )  # fmt: skip

    @property
    def largest_state(self) -> str:
        """Of which rule and key group the largest record of state is, in words; "" = none."""
        largest = self._largest()
        if largest is None:
            return ""
        size, group, name = largest
        kind, whose = state_owner(name)
        return f"the largest state is {kind} '{whose}' in key group {group}, {size} bytes"

    def alert_ends(self, written: list[Written]) -> dict[str, int]:
        """By partition of the alerts topic, the offset behind the last alert of these."""
        ends: dict[str, int] = {}
        for item, place in zip(self._items, written, strict=True):
            if item.alert is not None:
                ends[str(place.partition)] = place.offset + 1
        return ends

    def blame(self, error: Invalid) -> bool:
        """Drop what a transactor says is refused, or take apart what may be.

        Returns: Whether the error names records at all that may be dropped: not those of a topic
            that is not there, or of one of the workers' own to which this one may not write.
        """
        if is_to_be_mended(error):
            return False
        certain: list[int] = error.details.get("indexes", [])
        suspects: list[int] = error.details.get("suspects", [])
        if certain:
            self.refused(certain, str(error))
        elif suspects:
            self.separate(suspects)
            if error.code == "record.too_large":
                self._halve_behind(suspects[-1])
        return bool(certain or suspects)

    def separate(self, suspects: Sequence[int]) -> None:
        """Some of these are refused, nobody knows which: they are sent apart from each other."""
        size = -(-len(suspects) // _PARTS_MAX)
        for index in (*suspects[::size], suspects[-1] + 1):
            if index < len(self._items):
                self._items[index] = self._items[index]._replace(is_apart=True)

    def _halve_behind(self, last: int) -> None:
        """What goes together to the same topic later is hardly smaller: each such part in two.

        Only the first part that is too large is told each time.
        """
        topic = self._items[last].record.topic
        part: list[int] = []
        for index in range(last + 1, len(self._items) + 1):
            if index == len(self._items) or self._items[index].is_apart:
                if len(part) > 1:
                    middle = part[len(part) // 2]
                    self._items[middle] = self._items[middle]._replace(is_apart=True)
                part = []
            if index < len(self._items) and self._items[index].record.topic == topic:
                part.append(index)

    def refused(self, indexes: Collection[int], reason: str) -> None:
        """Records are refused for good: an alert is tried in a shorter form, then dropped."""
        for index in sorted(indexes, reverse=True):
            item = self._items[index]
            shorter = None if item.alert is None else _shorter(item.alert)
            if shorter is not None:
                record = alert_record(shorter, item.record.headers)
                self._items[index] = item._replace(record=record, alert=shorter)
                continue
            topic = item.record.topic
            self.undeliverable[topic] += 1
            get_logger(__name__).error("output.undeliverable", topic=topic, error=reason)
            del self._items[index]


def is_to_be_mended(error: Invalid) -> bool:
    """Whether a topic is not there, or one of the workers' own may not be written to."""
    return error.code == "topic.unknown" or error.details.get("denied") in OWN_TOPICS


def alert_record(alert: Alert, headers: Headers | None = None) -> Outgoing:
    """An alert as a record."""
    return Outgoing(ALERTS_TOPIC, alert.id.encode(), encode_alert(alert), headers=headers)


def fired_record(alert: Alert, headers: Headers | None = None) -> Outgoing:
    """That an alert fired, for the alert log."""
    return Outgoing(ALERT_STATE_TOPIC, None, encode_entry(fired_entry(alert)), 0, headers)


def published_record(publish: Publish) -> Outgoing:
    """What an action publishes as a record."""
    return Outgoing(
        publish.topic, publish.key, publish.value, -1, publish.headers, publish.timestamp_ms
    )


def call_record(call: Call) -> Outgoing:
    """A call that is to be made once this is committed; those of one address keep their order."""
    return Outgoing(CALLS_TOPIC, call.url.encode(), encode_call(call))


def letter_record(
    record: ConsumerRecord, error: DeadLetterError, now_ms: int, topic: str | None = None
) -> Outgoing:
    """A record put aside, with the reason.

    Args:
        topic: Where; by default the dead letters of its topic.
    """
    value = DeadLetter.of(record, error, now_ms).encode()
    headers = list(record.headers.pairs)
    where = topic or dead_letter_topic(record.topic)
    return Outgoing(where, record.key, value, headers=headers or None)


def _shorter(alert: Alert) -> Alert | None:
    """The same alert without events and with little evidence; None when it is so already."""
    if not alert.events:
        return None
    half = _EVIDENCE_SHORT // 2
    evidence = alert.evidence
    if len(evidence) > _EVIDENCE_SHORT:
        evidence = [*evidence[:half], *evidence[-half:]]
    return msgspec.structs.replace(
        alert,
        events=[],
        evidence=evidence,
        metadata={
            **alert.metadata,
            "eventsOmitted": alert.count,
            "evidenceOmitted": alert.count - len(evidence),
        },
    )
