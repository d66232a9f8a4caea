"""Which topics rules read."""

from __future__ import annotations

import pytest

from summit.journal.inputs import TopicFilter, rule_topics


@pytest.mark.parametrize(
    ("rules", "topic", "reads"),
    [
        ([()], "auth", True),
        ([()], "intelligence-events", True),
        ([()], "_summit.progress", False),
        ([()], "auth.dlq", False),
        ([()], "alerts", False),
        ([("*",)], "alerts", False),
        ([("_*", "alerts", "auth.dlq")], "alerts", False),
        ([("_*", "alerts", "auth.dlq")], "auth.dlq", False),
        ([("_*", "alerts", "auth.dlq")], "_x", False),
        ([("auth",)], "auth", True),
        ([("auth",)], "auth.ssh", False),
        ([("auth.*",)], "auth.ssh", True),
        ([("auth.*",)], "auth", False),
        ([("auth.*",)], "authxssh", False),
        ([("auth.?",)], "auth.1", True),
        ([("log-[ab]",)], "log-b", True),
        ([("log-[ab]",)], "log-c", False),
        ([("auth.*",), ("web",)], "web", True),
        ([("auth.*",), ()], "anything", True),
        ([], "auth", False),
        ([("a|b",)], "a", False),
        ([("a+",)], "aa", False),
    ],
)
def test_reads(rules: list[tuple[str, ...]], topic: str, reads: bool) -> None:
    wanted = [name for topics in rules for name in rule_topics(topics)]
    assert TopicFilter(wanted).reads(topic) is reads
