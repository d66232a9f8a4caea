"""What a rule of any kind must say of itself, so that its events are found and keyed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol

from summit.documents.sending import is_closed_topic
from summit.events.expressions.generator import Names
from summit.events.expressions.ir import Node, Path
from summit.events.layouts import TypedLayout
from summit.keyed.captured import Origins
from summit.keyed.keys import GLOBAL_KEY, Key, many_key, one_key
from summit.keyed.lane import Lane

EVENT_TYPE: Final[Path] = ("eventType",)

KeyOf = Callable[[Any], Key | None]


class KeyedRule(Protocol):
    """One rule, prepared; its lane is its living half.

    Attributes:
        id: Unique among all rules: for patterns their id, for others `kind:id`.
        state_id: Names the rule's state; equal for rules whose state means the same.
        topics: Names or globs; empty = every user topic.
        group_by: Field paths of the key, for messages.
        where: The rule's own stream; None = every event of the topics.
        bits: What the event alone must satisfy, by bit of the mask.
        types: Values of `eventType` outside of which no bit can be set; None = any.
        sees_all: Whether every event of the stream matters, not only those that set a bit.
        lateness_ms: How far behind the frontier its events may be; only where events are taken in
            the order of their times.
    """

    @property
    def id(self) -> str: ...
    @property
    def state_id(self) -> str: ...
    @property
    def topics(self) -> Sequence[str]: ...
    @property
    def group_by(self) -> Sequence[Path]: ...
    @property
    def where(self) -> Node | None: ...
    @property
    def bits(self) -> Sequence[Node]: ...
    @property
    def types(self) -> frozenset[Any] | None: ...
    @property
    def sees_all(self) -> bool: ...
    @property
    def lateness_ms(self) -> int: ...

    def fields(self) -> Iterator[Path]:
        """Every field of an event that the rule reads."""
        ...

    def key_of(self, layout: TypedLayout) -> KeyOf:
        """A function that gives the key of a decoded event, None when it lacks one."""
        ...

    def new_lane(self, layout: TypedLayout, origins: Origins) -> Lane:
        """A lane without state, which reads events through `layout`."""
        ...


def key_by_paths(paths: Sequence[Path], layout: TypedLayout) -> KeyOf:
    """The key that the values of some fields are; without fields one key for all events."""
    if not paths:
        return lambda _event: GLOBAL_KEY
    names = Names()
    codes = [layout.field_code(path, names) for path in paths]
    if len(codes) == 1:
        one = names.bind(one_key)
        source = f"def key(e):\n k = {codes[0]}\n return k if type(k) is str else {one}(k)\n"
    else:
        source = f"def key(e):\n return {names.bind(many_key)}(({', '.join(codes)}))\n"
    made: KeyOf = names.define(source, "key")
    return made


def no_key_text(rule: KeyedRule) -> str:
    """What is said of an event that a rule wants and that lacks its key."""
    paths = ", ".join(".".join(path) for path in rule.group_by)
    return f"the event satisfies '{rule.id}' but lacks its groupBy: {paths}"


def sees_topic(topics: Sequence[str], topic: str) -> bool:
    """Whether a rule with these `topics` takes events from a topic.

    `!name` takes a topic away from `*`, and from nothing else.
    """
    if not topics:
        return is_user_topic(topic)
    is_left_out = f"!{topic}" in topics
    return any(fnmatchcase(topic, name) for name in topics if name != "*" or not is_left_out)


def is_user_topic(topic: str) -> bool:
    """Whether a rule without `topics` sees the topic."""
    return not is_closed_topic(topic)  # those are read by who names them
