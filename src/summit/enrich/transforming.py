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
from summit.enrich.effects import Operation
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
        is_dropped: Whether a rule with `onError: drop` refuses the event. The value is transformed
            all the same, so that it may be shown.
        changed: (rule, operation, places changed) of what changed something, in order.
        faults: What could not be done.
    """

    value: Value
    is_dropped: bool = False
    changed: tuple[tuple[str, str, int], ...] = ()
    faults: tuple[Fault, ...] = ()

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
    Raises: Invalid("transformation.secret").
    """

    def __init__(self, plans: Sequence[TransformationPlan], secrets: Secrets) -> None:
        rules = [_compile_rule(plan, secrets) for plan in plans]
        self._dispatch = Dispatch((rule.plan.event_types, rule) for rule in rules)

    def apply(self, values: Sequence[Value]) -> list[Transformed]:
        """Transform a batch; the values given, which must be plain JSON, stay as they are."""
        return [self._apply(value) for value in values]

    def _apply(self, value: Value) -> Transformed:
        changed: list[tuple[str, str, int]] = []
        faults: list[Fault] = []
        is_dropped = False
        try:
            new: Value = msgspec.to_builtins(value)
            for rule in self._dispatch.rules_of(value):
                before = len(faults)
                self._run(rule, new, changed, faults)
                if len(faults) > before:
                    is_dropped = is_dropped or rule.plan.on_error == "drop"
                    if rule.plan.on_error == "tag":
                        _tag(new, faults[before:])
        except RecursionError:
            # Half done, it may hold what is to be hidden: nothing of it goes on.
            return Transformed({}, True, (), (Fault("", "", "", "the event is nested too deeply"),))
        return Transformed(new, is_dropped, tuple(changed), tuple(faults))

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
