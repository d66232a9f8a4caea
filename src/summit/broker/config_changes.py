"""What AlterConfigs and IncrementalAlterConfigs share: find the resource, change it, answer.

The two differ only in how the new set of configs follows from the request: that is their `Change`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from summit.base.errors import Invalid, SummitError
from summit.broker import broker_configs, topic_configs
from summit.broker.altering import EVERY_BROKER
from summit.broker.catalogue import Changed
from summit.broker.resources import BROKER, TOPIC
from summit.broker.state import BrokerState
from summit.protocol import codes

# From what is set for a resource and what holds for it now, to what shall be set.
Change = Callable[[Mapping[str, str], Mapping[str, str]], dict[str, str | None]]

LISTS: Final = frozenset({"cleanup.policy"})  # topic keys whose values are lists


class Wanted(NamedTuple):
    """One resource of a request, and what is to become of it."""

    kind: int
    name: str
    change: Change


class Outcome:
    """What to answer for one resource."""

    __slots__ = ("code", "message", "wanted")

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.code = codes.NONE
        self.message: str | None = None

    def fail(self, error: SummitError) -> None:
        """Answer with an error."""
        self.code = codes.code_of(error)
        self.message = str(error)


def apply(
    state: BrokerState,
    wanted: Sequence[Wanted],
    answer: Callable[[list[Outcome]], None],
    *,
    validate_only: bool,
) -> None:
    """Change every resource on its own; `answer` once all that was changed is durable."""
    outcomes = [Outcome(each) for each in wanted]
    resources = Counter((each.kind, each.name) for each in wanted)
    waiting = len(outcomes)

    def begin(outcome: Outcome) -> None:
        def done(error: SummitError | None) -> None:
            nonlocal waiting
            if error is not None:
                outcome.fail(error)
            waiting -= 1
            if waiting == 0:
                answer(outcomes)

        try:
            kind, name, change = outcome.wanted
            if resources[kind, name] > 1:
                raise Invalid("request.duplicate", what=f"resource '{name}'")
            if kind == TOPIC:
                _topic(state, name, change, done, validate_only=validate_only)
            elif kind == BROKER:
                _broker(state, name, change, done, validate_only=validate_only)
            else:
                raise Invalid(
                    "config.refused", resource=f"'{name}'", reason="nothing can be set here"
                )
        except SummitError as error:
            done(error)

    if not outcomes:
        answer(outcomes)
    for outcome in outcomes:
        begin(outcome)


def _topic(
    state: BrokerState, name: str, change: Change, done: Changed, *, validate_only: bool
) -> None:
    topic = state.topics.named(name)
    if topic is None:
        raise Invalid("topic.unknown", topic=name)
    configs = change(topic.configs, topic_configs.effective(topic.configs, state.settings))
    state.catalogue.set_configs(topic, configs, done, validate_only=validate_only)


def _broker(
    state: BrokerState, name: str, change: Change, done: Changed, *, validate_only: bool
) -> None:
    if name not in (EVERY_BROKER, str(state.broker_id)):
        raise Invalid("config.refused", resource=f"broker '{name}'", reason="it is not this broker")
    overrides = state.altering.overrides(name)
    configs = change(overrides, overrides)
    if validate_only:
        broker_configs.validate(f"broker '{name}'", configs)
        done(None)
    else:
        state.altering.configure_broker(name, configs, done)
