"""Which topics the rules read. Pure.

User topics are all but internal ones (`_*`), dead letters (`*.dlq`) and outputs (`alerts`). A
rule's `topics` are names or globs (`*`, `?`, `[abc]`) over user topics; a rule without them reads
every user topic, later ones included; where routes write to topics, `*` is followed by those, as
`!name`, and does not stand for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

from summit.keyed.rule import is_user_topic


class TopicFilter:
    """The union of what some rules read.

    Args:
        wanted: Names and globs; none = nothing is read. See `rule_topics`.
    """

    def __init__(self, wanted: Iterable[str]) -> None:
        self.wanted = sorted(set(wanted))
        self._but = {topic[1:] for topic in self.wanted if topic.startswith("!")}
        self._all = "*" in self.wanted
        named = [topic for topic in self.wanted if topic != "*" and not topic.startswith("!")]
        self._names = {topic for topic in named if not set(topic) & set("*?[")}
        globs = [translate(topic) for topic in named if topic not in self._names]
        self._globs = re.compile("|".join(globs)) if globs else None

    def reads(self, topic: str) -> bool:
        """Whether some rule reads the topic."""
        if not is_user_topic(topic):
            return False
        return (
            topic in self._names
            or (self._all and topic not in self._but)
            or (self._globs is not None and self._globs.match(topic) is not None)
        )


def rule_topics(topics: Iterable[str]) -> tuple[str, ...]:
    """What a rule with these `topics` reads: them, or every user topic."""
    return tuple(topics) or ("*",)
