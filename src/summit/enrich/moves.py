"""Operations that move members: rename, add, copy, remove, flatten."""

from __future__ import annotations

from typing import Any

import msgspec

from summit.documents.transform_plan import AddPlan, CopyPlan, FlattenPlan, RemovePlan, RenamePlan
from summit.enrich.effects import NOTHING, Effect, Operation, Refusal, change_each
from summit.enrich.places import Value, compile_find, compile_find_everywhere, put, take


def compile_rename(plan: RenamePlan) -> Operation:
    """Moves the value, from where rules find it to `target`, whose value is replaced."""
    find = compile_find(plan.field)

    def rename(value: Value) -> Effect:
        places = find(value)
        if not places:
            return NOTHING
        place = places[0]
        moved = take(place)
        reason = put(value, plan.target, moved)
        if reason is None:
            return Effect(1)
        if type(place.holder) is list:
            place.holder.insert(place.key, moved)
        else:
            place.holder[place.key] = moved
        return Effect(0, reason)

    return rename


def compile_add(plan: AddPlan) -> Operation:
    """Sets a constant; each event gets its own copy."""

    def add(value: Value) -> Effect:
        reason = put(value, plan.field, msgspec.to_builtins(plan.value))
        return Effect(int(reason is None), reason)

    return add


def compile_copy(plan: CopyPlan) -> Operation:
    """Sets a copy of the value at `target`."""
    find = compile_find(plan.field)

    def copy(value: Value) -> Effect:
        places = find(value)
        if not places:
            return NOTHING
        reason = put(value, plan.target, msgspec.to_builtins(places[0].value))
        return Effect(int(reason is None), reason)

    return copy


def compile_remove(plan: RemovePlan) -> Operation:
    """Removes the member wherever rules would find it."""
    find = compile_find_everywhere(plan.field)

    def remove(value: Value) -> Effect:
        places = find(value)
        for place in reversed(places):  # from the end of lists, so that indexes stay right
            take(place)
        return Effect(len(places))

    return remove


def compile_flatten(plan: FlattenPlan) -> Operation:
    """Makes one map of a map of maps; its names are joined with the separator."""

    def flatten(found: Any) -> Any:
        if type(found) is not dict:
            raise Refusal("it is no map")
        flat: Value = {}
        _flatten_into(flat, "", found, plan)
        return flat

    return change_each(compile_find(plan.field), flatten)


def _flatten_into(flat: Value, prefix: str, found: Any, plan: FlattenPlan) -> None:
    members = found.items() if type(found) is dict else enumerate(found)
    for key, item in members:
        name = f"{prefix}{key}"
        if item and (type(item) is dict or (plan.with_lists and type(item) is list)):
            _flatten_into(flat, name + plan.separator, item, plan)
        elif name in flat:
            raise Refusal("two of its members would have the same name")
        else:
            flat[name] = item
