"""What rules of any kind find in the past: alerts, correlated groups, results of queries. Pure.

Each is what a worker writes of it, byte for byte, and can tell what is of the same thing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, Final, Literal

import msgspec

from summit.alerts import Alert
from summit.client.transactor import Outgoing
from summit.flow.engine import Applied
from summit.flow.outputs import alert_record
from summit.journal.correlation_log import decode_group
from summit.journal.topics import CORRELATIONS_TOPIC, RESULTS_TOPIC

Kind = Literal["alert", "correlation", "result", "published"]
_encode = msgspec.json.Encoder(order="sorted").encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Finding(msgspec.Struct, frozen=True):
    """One thing found.

    Attributes:
        kind: `published` is a result once more, in the query's own topic.
        record: What a worker writes of it.
        alert: Where it is one.
    """

    kind: Kind
    record: Outgoing
    alert: Alert | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The JSON of a group or a result."""
        return _decode(self.record.value or b"{}")

    @property
    def timestamp_ms(self) -> int:
        """When it was certain, by event time."""
        return self.alert.timestamp if self.alert is not None else self.document["timestamp"]

    @property
    def count(self) -> int:
        """How many findings it is: a result holds several groups."""
        return len(self.document["groups"]) if self.kind == "result" else 1

    def places(self) -> Iterable[Hashable]:
        """What it has in common with one of the same thing: an event, or key and time."""
        if self.alert is not None:
            yield from ((e.topic, e.partition, e.offset) for e in self.alert.evidence)
            yield _encode(self.alert.key), self.alert.timestamp
        elif self.kind == "correlation":
            group = decode_group(self.record.value or b"")
            yield from ((event.topic, event.partition, event.offset) for event in group.events)
            yield _encode(group.key), group.start_time
        else:
            result = self.document
            window = (result["window"]["start"], result["window"]["end"])
            yield from ((*window, _encode(group["keys"])) for group in result["groups"])


def of_alert(alert: Alert) -> Finding:
    """An alert as it is written."""
    return Finding("alert", alert_record(alert), alert)


def past_findings(applied: Applied) -> list[Finding]:
    """What a batch gave, in order; what actions do besides alerts is left out."""
    found = [of_alert(each.alert) for each in applied.made if each.alert is not None]
    return found + [Finding(_KINDS.get(r.topic, "published"), r) for r in applied.records]


_KINDS: Final[dict[str, Kind]] = {CORRELATIONS_TOPIC: "correlation", RESULTS_TOPIC: "result"}
