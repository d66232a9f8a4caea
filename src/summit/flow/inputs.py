"""Which topics the rules read. Pure.

User topics are all but internal ones (`_*`), dead letters (`*.dlq`) and outputs (`alerts`). A
rule's `topics` are names or globs (`*`, `?`, `[abc]`) over user topics; a rule without them reads
every user topic, later ones included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

DEAD_LETTER_SUFFIX = ".dlq"


def is_user_topic(name: str, output_topics: frozenset[str]) -> bool:
    """Whether rules may read a topic."""
    return not (name.startswith("_") or name.endswith(DEAD_LETTER_SUFFIX) or name in output_topics)


class TopicFilter:
    """The union of what some rules read.

    Args:
        rules: The `topics` of each rule; an empty one reads every user topic. No rules: nothing.
    """

    def __init__(self, rules: Iterable[tuple[str, ...]], output_topics: frozenset[str]) -> None:
        self._output_topics = output_topics
        self._names: set[str] = set()
        globs: set[str] = set()
        for topics in rules:
            for topic in topics or ("*",):
                (globs if set(topic) & set("*?[") else self._names).add(topic)
        self._globs = re.compile("|".join(map(translate, sorted(globs)))) if globs else None

    def reads(self, topic: str) -> bool:
        """Whether some rule reads the topic."""
        if not is_user_topic(topic, self._output_topics):
            return False
        return topic in self._names or (
            self._globs is not None and self._globs.match(topic) is not None
        )
