"""Entries of the alert log: what is written to `_summit.alert-state`, one JSON object a record.

Workers write that an alert fired, in the transaction that writes the alert; people and services
write commands. So one partition has the order of everything, and every reader that folds it
(`desk.py`) comes to the same state. An entry is a wish: whether it was in order is decided where
it stands in the log, the same way by everyone.
"""

from __future__ import annotations

from typing import Any

import msgspec

from summit.alerts.alert import Alert
from summit.alerts.matchers import Matchers
from summit.base.errors import Invalid


class Entry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True,
            tag_field="type"):  # fmt: skip
    """What all have in common.

    Attributes:
        by: Who wrote it: a person, or `summit`.
    """

    by: str = ""


class Fired(Entry, frozen=True, kw_only=True, tag="fired"):
    """An alert came true.

    Attributes:
        timestamp: Event time, milliseconds.
        last_seen: Event time of its last event.
        notify: Notifications that its rule names.
        corrects: The alert that it takes the place of, because an event came late.
        withdrawn: Whether that one is not true any more.
    """

    id: str
    severity: str
    title: str
    timestamp: int
    rule: str | None = None
    key: dict[str, Any] = {}
    tags: tuple[str, ...] = ()
    last_seen: int = 0
    notify: tuple[str, ...] = ()
    corrects: str | None = None
    withdrawn: bool = False


class Repeated(Entry, frozen=True, kw_only=True, tag="repeated"):
    """A rule's `suppress` held alerts back that were like alert `id`."""

    id: str
    count: int
    last_seen: int


class Acknowledge(Entry, frozen=True, kw_only=True, tag="acknowledge"):
    """Somebody has taken note of an alert."""

    id: str
    note: str = ""


class Resolve(Entry, frozen=True, kw_only=True, tag="resolve"):
    """An alert is over."""

    id: str
    note: str = ""


class AddComment(Entry, frozen=True, kw_only=True, tag="comment"):
    """Words about an alert or a case; `id` is either's."""

    id: str
    text: str


class Assign(Entry, frozen=True, kw_only=True, tag="assign"):
    """Whose an alert or a case is from now on; None = nobody's."""

    id: str
    to: str | None = None


class AddSilence(Entry, frozen=True, kw_only=True, tag="silence"):
    """Mute alerts until a time; those that fire meanwhile and those that are open."""

    matchers: Matchers
    until: int
    reason: str = ""


class LiftSilence(Entry, frozen=True, kw_only=True, tag="liftSilence"):
    """End a silence before its time."""

    id: str


class AddInhibition(Entry, frozen=True, kw_only=True, tag="inhibit"):
    """While an alert of `source` is open, those of `target` about the same entity are muted."""

    source: Matchers
    target: Matchers
    reason: str = ""


class RemoveInhibition(Entry, frozen=True, kw_only=True, tag="removeInhibition"):
    """Mute by an inhibition no more."""

    id: str


class OpenCase(Entry, frozen=True, kw_only=True, tag="openCase"):
    """Open a case of an entity, or of alerts and the entities they are about."""

    title: str = ""
    entity: str | None = None
    alerts: tuple[str, ...] = ()


class CloseCase(Entry, frozen=True, kw_only=True, tag="closeCase"):
    """Close a case; the risk of its entities is settled with it."""

    id: str
    reason: str = ""


class Escalated(Entry, frozen=True, kw_only=True, tag="escalated"):
    """An alert has reached a level of its escalation policy, 1 the first."""

    id: str
    level: int


class Notified(Entry, frozen=True, kw_only=True, tag="notified"):
    """People were told of an alert, or could not be.

    Attributes:
        id: The alert's; "" = it was a test.
        action: `fired`, `escalated`, `acknowledged`, `resolved` or `test`.
        level: Of the escalation.
        request: Offset of the `Tell` that asked for it.
    """

    id: str = ""
    channel: str
    action: str
    delivered: bool = True
    reason: str = ""
    level: int = 0
    request: int | None = None


class Tell(Entry, frozen=True, kw_only=True, tag="tell"):
    """Somebody wants an alert to be told by a notification, once more or for the first time.

    Attributes:
        id: The alert's; "" = a test of the notification.
    """

    id: str = ""
    channel: str


AnyEntry = (
    Fired | Repeated | Acknowledge | Resolve | AddComment | Assign | AddSilence | LiftSilence
    | AddInhibition | RemoveInhibition | OpenCase | CloseCase | Escalated | Notified | Tell
)  # fmt: skip

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[AnyEntry] = msgspec.json.Decoder(AnyEntry)


def encode_entry(entry: AnyEntry) -> bytes:
    """The record's value."""
    return _ENCODER.encode(entry)


def decode_entry(value: bytes) -> AnyEntry:
    """The entry of a record's value. Raises Invalid("alert.entry")."""
    try:
        return _DECODER.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("alert.entry", reason=str(error)) from error


def entry_type(entry: AnyEntry) -> str:
    """The name of an entry's kind on the wire."""
    name = entry.__struct_config__.tag
    assert isinstance(name, str)
    return name


def fired_entry(alert: Alert, by: str = "summit") -> Fired:
    """That an alert came true, as the log says it."""
    correction = alert.metadata.get("correction", {})
    return Fired(
        by=by,
        id=alert.id,
        severity=alert.severity,
        title=alert.title,
        timestamp=alert.timestamp,
        rule=alert.pattern,
        key=alert.key,
        tags=tuple(alert.tags),
        last_seen=alert.last_seen or alert.timestamp,
        notify=tuple(alert.notify),
        corrects=correction.get("corrects"),
        withdrawn=correction.get("withdrawn", False),
    )
