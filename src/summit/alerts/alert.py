"""The alert: what it holds, and its JSON form. Nothing here decides whether one is made."""

from __future__ import annotations

from typing import Any

import msgspec

from summit.alerts.attack import Technique
from summit.base.errors import Invalid


class Evidence(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Where one event of an alert stands in the log, so that anyone can read it again.

    Attributes:
        step: The pattern's step that took the event.
        src: Position in the source the event came from (`summit.src`), where a collector gave one.
        timestamp: Event time, milliseconds since 1970 UTC.
    """

    step: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    src: str | None = None
    event_id: str | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing found, with what it was found from.

    The same matched events under the same rule semantics always give the same `id`, so an alert
    that is made twice (a crash between produce and commit) is one alert.

    Attributes:
        timestamp: Event time at which it came true, milliseconds since 1970 UTC.
        pattern: Id of the rule that made it.
        key: Path and value of each `groupBy` field; empty for a rule over all entities.
        events: The matched events as they were written, first and last ones where there are
            many; `metadata.eventsOmitted` counts the others, `metadata.eventsCut` those that
            hold only the fields rules read, because the event was very long.
        count: How many events matched.
        evidence: Where each matched event stands; `metadata.evidenceOmitted` counts the missing.
        rule_version: The rule's version text, or its semantic hash where it names none.
        technique: In words, as the rule's action says it.
        attack: The ATT&CK techniques that its tags name.
    """

    id: str
    timestamp: int
    severity: str
    title: str
    description: str
    events: list[dict[str, Any]]
    pattern: str | None = None
    metadata: dict[str, Any] = {}
    key: dict[str, Any] = {}
    count: int = 0
    first_seen: int = 0
    last_seen: int = 0
    rule_version: str = ""
    tags: list[str] = []
    technique: str | None = None
    attack: list[Technique] = []
    notify: list[str] = []
    runbook: str | None = None
    evidence: list[Evidence] = []


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Alert)


def encode_alert(alert: Alert) -> bytes:
    """The JSON form: the value of a record of the alerts topic. Equal alerts give equal bytes."""
    return _ENCODER.encode(alert)


def decode_alert(value: bytes) -> Alert:
    """The alert of a record's value. Raises Invalid("alert.invalid")."""
    try:
        return _DECODER.decode(value)
    except msgspec.MsgspecError as error:
        raise Invalid("alert.invalid", reason=str(error)) from error


def alert_dict(alert: Alert) -> dict[str, Any]:
    """The same as plain values with the names of the wire."""
    plain: dict[str, Any] = msgspec.to_builtins(alert)
    return plain
