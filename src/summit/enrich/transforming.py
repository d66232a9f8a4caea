"""`Transformer`: a set of transformation rules, compiled once, applied to batches of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import msgspec

from summit.base.errors import Invalid
from summit.documents.transform_plan import (
    AddPlan,
    ConvertPlan,
    CopyPlan,
    ExtractPlan,
    FlattenPlan,
    HashPlan,
    MaskPlan,
    OperationPlan,
    ParsePlan,
    RemovePlan,
    RenamePlan,
    TimestampPlan,
    TransformationPlan,
    TruncateIpPlan,
)
from summit.enrich.conversions import compile_convert, compile_timestamp
from summit.enrich.dispatch import Dispatch
from summit.enrich.effects import Fate, Operation, worse
from summit.enrich.moves import (
    compile_add,
    compile_copy,
    compile_flatten,
    compile_remove,
    compile_rename,
)
from summit.enrich.places import Value
from summit.enrich.privacy import Secrets, compile_hash, compile_mask, compile_truncate_ip
from summit.enrich.texts import compile_extract, compile_parse


@dataclass(frozen=True, slots=True)
class Fault:
    """An operation that could not be done on an event; nothing here holds a value of the event."""

    rule: str
    operation: str
    field: str
    reason: str

    @property
    def error(self) -> Invalid:
        """The same as an error."""
        return Invalid(
            "transformation.failed",
            rule=self.rule, operation=self.operation, field=self.field, reason=self.reason,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Transformed:
    """What became of an event.

    Attributes:
        value: The new value, sharing nothing with the old one.
        fate: What is to become of the event: it goes on (`pass`), or a rule that failed on it
            has it dropped or put aside. The value is transformed all the same, so that it may be
            shown.
        culprit: The fault that decided so; None = it goes on.
        changed: (rule, operation, places changed) of what changed something, in order.
        faults: What could not be done.
    """

    value: Value
    fate: Fate = "pass"
    changed: tuple[tuple[str, str, int], ...] = ()
    faults: tuple[Fault, ...] = ()
    culprit: Fault | None = None

    @property
    def is_dropped(self) -> bool:
        """Whether the event does not go on."""
        return self.fate != "pass"

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of the rules that changed something, in order."""
        return tuple(dict.fromkeys(rule for rule, _, _ in self.changed))


@dataclass(frozen=True, slots=True)
class _Rule:
    plan: TransformationPlan
    steps: tuple[tuple[str, str, Operation], ...]


class Transformer:
    """Applies rules: those for the event's type in their order, then those for every type.

    The type is the one that the event comes with, whatever rules make of it.

    Args:
        plans: The rules, in order.
        secrets: Gives the secret of a reference such as `${NAME}`.
    Raises: Invalid("secret.missing").
    """

    def __init__(self, plans: Sequence[TransformationPlan], secrets: Secrets) -> None:
        rules = [_compile_rule(plan, secrets) for plan in plans]
        self._dispatch = Dispatch((rule.plan.event_types, rule) for rule in rules)

    def apply(self, values: Sequence[Value], *, owned: bool = False) -> list[Transformed]:
        """Transform a batch.

        Args:
            values: Plain JSON; they stay as they are.
            owned: The values are the transformer's own: they may be changed and given back.
        """
        return [self._apply(value, owned) for value in values]

    def _apply(self, value: Value, owned: bool) -> Transformed:
        changed: list[tuple[str, str, int]] = []
        faults: list[Fault] = []
        fate: Fate = "pass"
        culprit: Fault | None = None
        try:
            rules = self._dispatch.rules_of(value)
            new: Value = value if owned else msgspec.to_builtins(value)
            for rule in rules:
                before = len(faults)
                self._run(rule, new, changed, faults)
                if len(faults) > before:
                    before_it, fate = fate, worse(fate, rule.plan.on_error)
                    culprit = faults[before] if fate != before_it else culprit
                    if rule.plan.on_error == "tag":
                        _tag(new, faults[before:])
        except RecursionError:
            # Half done, it may hold what is to be hidden: nothing of it goes on.
            fault = Fault("", "", "", "the event is nested too deeply")
            return Transformed({}, "deadLetter", (), (fault,), fault)
        return Transformed(new, fate, tuple(changed), tuple(faults), culprit)

    @staticmethod
    def _run(
        rule: _Rule, value: Value, changed: list[tuple[str, str, int]], faults: list[Fault]
    ) -> None:
        for name, field, operation in rule.steps:
            changes, reason = operation(value)
            if changes:
                changed.append((rule.plan.id, name, changes))
            if reason is not None:
                faults.append(Fault(rule.plan.id, name, field, reason))


def _compile_rule(plan: TransformationPlan, secrets: Secrets) -> _Rule:
    steps = tuple(
        (name, ".".join(step.field), _compile_operation(step, secrets))
        for name, step in plan.operations
    )
    return _Rule(plan, steps)


def _compile_operation(plan: OperationPlan, secrets: Secrets) -> Operation:
    match plan:
        case RenamePlan():
            return compile_rename(plan)
        case ConvertPlan():
            return compile_convert(plan)
        case ExtractPlan():
            return compile_extract(plan)
        case MaskPlan():
            return compile_mask(plan)
        case HashPlan():
            return compile_hash(plan, secrets)
        case RemovePlan():
            return compile_remove(plan)
        case AddPlan():
            return compile_add(plan)
        case CopyPlan():
            return compile_copy(plan)
        case FlattenPlan():
            return compile_flatten(plan)
        case ParsePlan():
            return compile_parse(plan)
        case TimestampPlan():
            return compile_timestamp(plan)
        case TruncateIpPlan():
            return compile_truncate_ip(plan)
        case _:
            assert_never(plan)


def _tag(value: Value, faults: Sequence[Fault]) -> None:
    """Note the faults in the event, under `enrichedData._meta.errors`."""
    holder: Any = value
    for name in ("enrichedData", "_meta"):
        holder = holder.setdefault(name, {})
        if type(holder) is not dict:
            return
    errors = holder.setdefault("errors", [])
    if type(errors) is list:
        errors.extend(
            {"rule": each.rule, "operation": each.operation, "field": each.field,
             "reason": each.reason}
            for each in faults
        )  # fmt: skip
