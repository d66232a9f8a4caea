"""What the documents describe and what is built: the one table of both.

A field or a value that is known and not built yet is refused by name, never stored and ignored.
Building one moves its word from here to the field lists of `pattern.py` and `steps.py`.
"""

from __future__ import annotations

from typing import Final

from summit.documents.plan import ActionType, AfterMatchKind, Contiguity, Emit, Matching, Relation

KINDS: Final = (
    "pattern", "correlation", "stream", "collector", "flow",
    "filter", "transformation", "enrichment", "route", "query", "notification", "backfill",
)  # fmt: skip
# How rules of other kinds are called among all rules; patterns go by their ids alone.
OTHER_KINDS: Final = ("correlation:", "query:")

RELATIONS: Final[tuple[Relation, ...]] = (
    "next", "followedBy", "followedByAny", "notNext", "notFollowedBy",
)  # fmt: skip
CONTIGUITIES: Final[tuple[Contiguity, ...]] = ("strict", "relaxed", "any")
MATCHINGS: Final[tuple[Matching, ...]] = ("ordered", "unordered")
EMITS: Final[tuple[Emit, ...]] = ("all", "first", "longest")
AFTER_MATCH: Final[tuple[AfterMatchKind, ...]] = ("noSkip", "toNext", "pastLast")
AFTER_MATCH_STEPS: Final[tuple[AfterMatchKind, ...]] = ("toFirst", "toLast")

PATTERN_FIELDS_LATER: Final[tuple[str, ...]] = ()
ACTIONS: Final[tuple[ActionType, ...]] = ("alert", "aggregate", "forward", "trigger", "custom")
AGGREGATES_TOPIC: Final = "aggregates"
FORMATS_LATER: Final = (
    "csv", "keyValue", "regex", "syslog", "sshd", "avro", "protobuf", "msgpack",
)  # fmt: skip
COLLECTOR_TYPES: Final = ("http", "websocket", "mqtt", "grpc", "syslog", "file", "database")
