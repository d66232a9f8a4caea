"""Pausing, resuming and draining: definitions that every worker obeys, later ones too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from summit.base.clock import Clock
from summit.base.errors import Conflict, Invalid, Unavailable
from summit.client import ClusterAdmin, TopicPartition
from summit.documents import FLOW_ID
from summit.flow.kinds import RULE_KINDS
from summit.flow.pausing import Pauses, pauses_in_force
from summit.flow.settings import WORKERS_GROUP
from summit.journal.definition_log import ABSENT_OFFSET
from summit.journal.definitions import Definitions
from summit.journal.progress import ProgressFollower
from summit.journal.topics import EXCHANGE_TOPIC
from summit.keyed.rule import is_user_topic

ALL_TOPICS: Final = "*"
_ATTEMPTS: Final = 10
_LOOK_S: Final = 0.1


async def check_names(
    admin: ClusterAdmin, definitions: Definitions, topics: Iterable[str], rules: Iterable[str]
) -> None:
    """See that what is to be paused is there; globs may match nothing yet.

    Raises: Invalid("definition.unknown", "flow.rule_of_kind", "topic.unknown").
    """
    for rule in rules:
        kind, colon, name = rule.partition(":")
        if colon and kind in RULE_KINDS:
            definitions.get(kind, name)
            continue
        others = [kind for kind in RULE_KINDS if definitions.log.get(kind, rule) is not None]
        if others and "pattern" not in others:
            raise Invalid("flow.rule_of_kind", rule=rule, kind=others[0])
        definitions.get("pattern", rule)
    known = set(await admin.list_topics())
    for topic in topics:
        is_glob = bool(set(topic) & set("*?["))
        if not is_glob and (topic not in known or not is_user_topic(topic)):
            raise Invalid("topic.unknown", topic=topic)


async def change_pauses(
    definitions: Definitions, change: Callable[[Pauses], Pauses]
) -> tuple[Pauses, int]:
    """Publish what is paused from now on; somebody else's change at the same time is kept.

    Args:
        change: Gives the new pauses for those in force; may raise.
    Returns: The pauses, and the offset of their definition.
    Raises: Conflict("definition.conflict") when others change them all the time; Unavailable.
    """
    for attempt in range(_ATTEMPTS):
        current = definitions.log.get("flow", FLOW_ID)
        pauses = change(pauses_in_force([] if current is None else [current]))
        expected = ABSENT_OFFSET if current is None else current.offset
        try:
            published = await definitions.publish(pauses.document(), expected_offset=expected)
        except Conflict:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return pauses, published.definition.offset
    raise AssertionError("unreachable")


async def wait_drained(
    servers: Sequence[str], admin: ClusterAdmin, offset: int, clock: Clock, timeout_ms: int
) -> None:
    """Wait until all workers have finished what they had read, and committed it.

    That is so once they go by the definition at `offset`, which lets them read no inputs (they
    commit before they do), and what they had sent one another by then is taken.

    Raises: Unavailable("flow.not_drained"); Unavailable where no broker answers.
    """
    deadline_ms = clock.monotonic_ms() + timeout_ms
    progress = ProgressFollower(servers, clock)
    try:
        await progress.start()
        try:
            await progress.wait_acting(offset, timeout_ms)
        except Unavailable as error:
            raise Unavailable(
                "flow.not_drained", timeout_ms=timeout_ms, reason="a worker does not answer"
            ) from error
    finally:
        await progress.stop()
    ends = {
        TopicPartition(EXCHANGE_TOPIC, group): end
        for group, (first, end) in (await admin.offsets(EXCHANGE_TOPIC)).items() if first < end
    }  # fmt: skip
    while True:
        taken = await admin.group_offsets(WORKERS_GROUP)
        behind = sum(taken.get(place, 0) < end for place, end in ends.items())
        if not behind:
            return
        if clock.monotonic_ms() >= deadline_ms:
            reason = f"{behind} key groups have not taken what was sent to them"
            raise Unavailable("flow.not_drained", timeout_ms=timeout_ms, reason=reason)
        await asyncio.sleep(_LOOK_S)
