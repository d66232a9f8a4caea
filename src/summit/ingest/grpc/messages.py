"""Messages of our service, and what is in them: classes made of the descriptor at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from summit.base.errors import Invalid
from summit.ingest.bodies import Limits, parse_body, parse_leniently, parse_parts
from summit.ingest.grpc.descriptor import FILE
from summit.ingest.session import Message
from summit.ingest.shaping import Shaped

try:
    from google.protobuf import descriptor_pool, message_factory
    from google.protobuf.message import DecodeError
except ImportError as missing:
    raise Invalid("extra.missing", what="gRPC", extra="grpc") from missing

SERVICE: Final = "summit.ingest.v1.Ingest"

_pool = descriptor_pool.Default()
_file = _pool.AddSerializedFile(FILE)


def _class(name: str) -> Any:
    found = _pool.FindMessageTypeByName(f"summit.ingest.v1.{name}")
    return message_factory.GetMessageClass(found)


Event: Final = _class("Event")
EventBatch: Final = _class("EventBatch")
PublishRequest: Final = _class("PublishRequest")
PublishReply: Final = _class("PublishReply")
PublishAck: Final = _class("PublishAck")
PublishSummary: Final = _class("PublishSummary")

_MEDIA: Final = {"json": "application/json", "lines": "application/x-ndjson"}


def decode(raw: bytes, kind: Any = PublishRequest) -> Any:
    """A message of its bytes. Raises Invalid("ingest.event_invalid")."""
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        name = kind.DESCRIPTOR.name
        raise Invalid(
            "ingest.event_invalid", what="the message", reason=f"it is no {name} ({error})",
            pointer="", index=None,
        ) from error  # fmt: skip


def read(request: Any, limits: Limits, *, leniently: bool = False) -> Message:
    """The events of a request.

    Args:
        leniently: Leave out what is bad and say why, instead of refusing all of it.
    Raises: Invalid: as `parse_body`.
    """
    content = request.WhichOneof("content")
    if content is None:
        raise Invalid(
            "ingest.event_invalid", what="the message", reason="it holds no event",
            pointer="", index=None,
        )  # fmt: skip
    extras: Sequence[Any] | None = None
    if content in _MEDIA:
        parse = parse_leniently if leniently else parse_body
        batch = parse(_MEDIA[content], getattr(request, content), limits)
    else:
        events = [request.event] if content == "event" else request.batch.events
        parts = [event.json.encode() for event in events]
        batch = parse_parts(parts, limits, leniently=leniently)
        if any(event.HasField("key") or event.headers for event in events):
            places = batch.indexes
            extras = events if places is None else [events[place] for place in places]
    return Message(batch, request.id or None, request.seq or None, extras)


def with_extras(shaped: Shaped, extras: Sequence[Any] | None) -> Shaped:
    """Records with the keys and headers that their events bring along."""
    if extras is None:
        return shaped
    drafts = []
    for draft in shaped.drafts:
        event = extras[draft.place]
        headers = draft.headers
        if event.headers:
            own = [(name, text.encode()) for name, text in sorted(event.headers.items())]
            headers = [*own, *headers]
        has_key = event.HasField("key") and not draft.is_letter
        key = event.key.encode() if has_key else draft.key
        drafts.append(draft._replace(key=key, headers=headers))
    return shaped._replace(drafts=drafts)
