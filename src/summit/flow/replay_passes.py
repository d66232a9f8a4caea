"""What a replay reads by which rules: the phases of the past, as steps of one or more passes. Pure.

One pass is for the rules as they acted. Each rule that began with the past has one of its own: it
has seen what came before it acted, and nobody else has seen that by it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from summit.base.errors import Invalid
from summit.documents import validate_backfill
from summit.documents.backfill import BackfillPlan
from summit.flow.kinds import Plan, rule_name
from summit.flow.rules import Rules, acting_ones, rules_of
from summit.journal.activation_log import Activation, Phase, phases_of
from summit.journal.definition_log import DefinitionLog
from summit.journal.progress_record import Positions
from summit.journal.time_log import TimeMark

_END: Final = 1 << 62


class Step(NamedTuple):
    """A stretch that is read by the same rules.

    Attributes:
        until: By input, where the next step begins; those that are missing are read to their ends.
        rules: What acts beside the plans: streams, pauses, the stage.
        timed: The marks say what the clock decided, and nothing else does.
        marks: In order.
    """

    until: Positions
    rules: Rules
    plans: Sequence[Plan]
    timed: bool = False
    marks: Sequence[TimeMark] = ()


class Pass(NamedTuple):
    """Steps, one after the other.

    Attributes:
        begin: Where it begins, of a rule that began with the past; None = with the range.
    """

    steps: Sequence[Step]
    begin: BackfillPlan | None = None

    @property
    def plans(self) -> list[Plan]:
        """All that act somewhere."""
        return [plan for step in self.steps for plan in step.plans]


class Past(NamedTuple):
    """What is known of it: the definitions, from where they acted, what the clock decided."""

    log: DefinitionLog
    activations: Sequence[Activation]
    marks: Sequence[TimeMark]


def current_pass(log: DefinitionLog, wanted: Collection[str]) -> Pass:
    """The rules in force now, for the whole range. Raises: Invalid("replay.unknown_rule")."""
    rules = rules_of(acting_ones(log))
    plans = [*rules.plans, *(each.plan for each in rules.backfills)]
    _check_known(map(rule_name, plans), wanted)
    return Pass([Step({}, rules, _chosen(plans, wanted))])


def recorded_passes(
    past: Past, starts: Mapping[str, int], wanted: Collection[str]
) -> tuple[list[Pass], int]:
    """The rules as they acted.

    Args:
        starts: Where each input is begun.
        wanted: Ids of rules; none = all.
    Returns: The passes, and the number of phases.
    Raises: Invalid("replay.no_activations", "replay.unknown_rule").
    """
    phases = phases_of(past.activations, starts)
    if not phases:
        raise Invalid("replay.no_activations")
    rules = [rules_of(acting_ones(past.log.until(phase.definitions))) for phase in phases]
    _check_known((rule_name(plan) for each in rules for plan in each.plans), wanted)
    timed_from: Positions = {}
    for activation in past.activations:
        if activation.timed:
            for name, offset in activation.inputs.items():
                timed_from[name] = min(offset, timed_from.get(name, offset))
    marks = _by_phase(past.marks, phases)
    names = sorted({live.name for each in rules for live in each.live})

    def steps(first: int, plans_of: Callable[[Rules], list[Plan]]) -> list[Step]:
        found = []
        for number in range(first, len(phases)):
            until, each = phases[number].until, rules[number]
            plans = plans_of(each)
            if timed_from:
                untimed = {
                    name: min(until.get(name, _END), timed_from.get(name, _END)) for name in starts
                }
                found.append(Step(untimed, each, plans))
                found.append(Step(until, each, plans, True, marks[number]))
            else:
                found.append(Step(until, each, plans))
        return found

    def acted(each: Rules) -> list[Plan]:
        begun = {live.rule for live in each.live}
        return [plan for plan in _chosen(each.plans, wanted) if rule_name(plan) not in begun]

    passes = [Pass(steps(0, acted))]
    for name in names:

        def begun(each: Rules, name: str = name) -> list[Plan]:
            rule = {live.rule for live in each.live if live.name == name}
            return [plan for plan in _chosen(each.plans, wanted) if rule_name(plan) in rule]

        first = next(n for n, each in enumerate(rules) if any(x.name == name for x in each.live))
        if not (plans := begun(rules[first])):
            continue
        (live,) = [x for x in rules[first].live if x.name == name]
        change = past.log.change_at(live.offset)
        assert change is not None
        assert change.definition is not None
        begin = validate_backfill(change.definition.document).plan
        before = [Step(phases[first - 1].until, rules[first], plans)] if first else []
        passes.append(Pass([*before, *steps(first, begun)], begin))
    return passes, len(phases)


def _by_phase(marks: Iterable[TimeMark], phases: Sequence[Phase]) -> list[list[TimeMark]]:
    found: list[list[TimeMark]] = [[] for _ in phases]
    for mark in marks:
        numbers = [n for n, each in enumerate(phases) if each.definitions <= mark.definitions]
        if numbers:
            found[numbers[-1]].append(mark)
    return found


def _chosen(plans: Iterable[Plan], wanted: Collection[str]) -> list[Plan]:
    return [plan for plan in plans if not wanted or rule_name(plan) in wanted]


def _check_known(names: Iterable[str], wanted: Collection[str]) -> None:
    known = set(names)
    for rule_id in wanted:
        if rule_id not in known:
            raise Invalid("replay.unknown_rule", rule=rule_id, known=", ".join(sorted(known)))
