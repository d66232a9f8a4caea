"""Which topics a definition writes and copies from: who registers it needs the grants for them.

    collector      produce: topic, allowedTopics, schemaTopic, routes/topic
    route          produce: topic; read: topics (all of them, where it names none)
    query          produce: topic
    pattern        produce: the topics of its actions
    notification   produce: config/topic
    enrichment     read: the topic that it looks rows up in

What a definition did before counts too: who may not write there may not stop it either. A glob or a
template is granted by a prefix of what stands before its first wildcard. Alerts are for viewers of
all topics, so what rules read asks for no grant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from summit.services.permission import require_topic
from summit.web import Request

_WRITTEN: Final = ("topic", "schemaTopic", "schema_topic", "allowedTopics", "allowed_topics")
_INSIDE: Final = ("", "config", "routes")  # where a member `topic` is one of ours
_WILD: Final = re.compile(r"[*?\[$]")


def require_grants(request: Request, kind: str, *documents: Mapping[str, Any] | None) -> None:
    """Refuse who may not do what definitions of a kind do, new or as they are. Raises Invalid."""
    for document in documents:
        for action, topic in () if document is None else needs(kind, document):
            require_topic(request, action, topic)


def require_reading(request: Request, topics: Any) -> None:
    """Refuse who may not read these topics: names and globs, all of them where none is named."""
    for topic in _texts(topics) or ("*",):
        require_topic(request, "read", _begin(topic))


def needs(kind: str, document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Actions and topics, or what topics begin with.

    >>> sorted(needs("route", {"topic": ["a", "b"], "topics": ["in.*"]}))
    [('produce', 'a'), ('produce', 'b'), ('read', 'in.')]
    >>> needs("pattern", {"action": {"type": "topic", "config": {"topic": "out"}}})
    {('produce', 'out')}
    """
    action = "read" if kind == "enrichment" else "produce"
    found = {(action, _begin(topic)) for topic in _named(document, "")}
    if kind == "route":
        topics = _texts(document.get("topics"))
        found |= {("read", _begin(topic)) for topic in topics or ("*",)}
    return found


def _named(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key in _WRITTEN and name in _INSIDE:
                yield from _texts(each)
            else:
                yield from _named(each, str(key))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _named(each, name)


def _texts(value: Any) -> list[str]:
    given = value if isinstance(value, list | tuple) else [value]
    return [each for each in given if isinstance(each, str)]


def _begin(topic: str) -> str:
    return _WILD.split(topic, maxsplit=1)[0]
