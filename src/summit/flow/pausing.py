"""What the workers rest from, out of the definitions: paused topics and paused rules. Pure.

A paused topic is not read: positions stand, lag grows and is seen, and event time stands still
there as for an input that holds others back. A paused rule sees no events, though its topics are
read on; what it has begun is kept and grows old, and nothing comes of what is over meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from summit.base.errors import Invalid
from summit.base.logs import get_logger
from summit.documents import FLOW_ID, validate_flow
from summit.journal.definition_log import Definition
from summit.journal.inputs import TopicFilter


class Pauses(NamedTuple):
    """What is paused.

    Attributes:
        topics: Names and globs.
        rules: Ids.
    """

    topics: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The definition that says so."""
        paused = {"topics": list(self.topics), "rules": list(self.rules)}
        return {"kind": "flow", "id": FLOW_ID, "paused": paused}

    def holds(self) -> TopicFilter:
        """Which topics are not read."""
        return TopicFilter(self.topics)

    def adding(self, topics: Iterable[str], rules: Iterable[str]) -> Pauses:
        """These too."""
        return Pauses(
            tuple(dict.fromkeys((*self.topics, *topics))),
            tuple(dict.fromkeys((*self.rules, *rules))),
        )

    def without(self, topics: Iterable[str], rules: Iterable[str]) -> Pauses:
        """Without these.

        Raises: Invalid("flow.not_paused") for one that is not named here.
        """
        topics, rules = list(topics), list(rules)
        for kind, names, known in (("topic", topics, self.topics), ("rule", rules, self.rules)):
            for name in names:
                if name not in known:
                    raise Invalid(
                        "flow.not_paused", kind=kind, name=name, paused=", ".join(known) or "none"
                    )
        return Pauses(
            tuple(name for name in self.topics if name not in topics),
            tuple(name for name in self.rules if name not in rules),
        )


def pauses_in_force(definitions: Iterable[Definition]) -> Pauses:
    """What some definitions pause; nothing by a flow that somebody wrote who did not check it."""
    for definition in definitions:
        if definition.kind == "flow" and definition.id == FLOW_ID:
            try:
                flow = validate_flow(definition.document)
            except Invalid as error:
                get_logger(__name__).error("flow.invalid", error=str(error))
                return Pauses()
            return Pauses(flow.paused_topics, flow.paused_rules)
    return Pauses()
