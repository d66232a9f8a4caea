"""Keys of rules as people write them, on the command line and in requests. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import msgspec

from summit.base.errors import Invalid
from summit.documents.correlation import CorrelationPlan, KeyPart
from summit.documents.plan import PatternPlan
from summit.documents.query_plan import QueryPlan
from summit.flow.kinds import Plan
from summit.keyed.keys import Key, make_key, one_key, whole_key

_decode = msgspec.json.Decoder().decode


def parse_keys(plan: Plan, texts: Sequence[str]) -> list[Key]:
    """The keys that some texts may mean: most likely first.

    One text for each field of `groupBy`, in its order or as `field=value`; or one JSON list of
    all values. A value in JSON's quotes is a text; `42` may be the text and the number. Where null
    makes a group, as in queries, `null` may be that too.

    Of a correlation that links events without a key a text is a value that events share; `user=ann`
    may say of which kind.

    Raises: Invalid("state.key_invalid").
    """
    if isinstance(plan, CorrelationPlan) and plan.linking is not None and not plan.keys:
        return [key for text in texts for key in _shared_values(plan, text)]
    paths = key_paths(plan)
    has_null = isinstance(plan, QueryPlan)
    key_of: Callable[[Sequence[Any]], Key | None] = whole_key if has_null else make_key
    if len(texts) == 1 and texts[0].startswith("["):
        values = json_value(texts[0])
        key = key_of(values) if isinstance(values, list) else None
        if key is None or len(values) != len(paths):
            raise _bad_key(plan, texts, f"'{texts[0]}' is no JSON list of {len(paths)} values")
        return [key]
    named = [text.partition("=") for text in texts]
    if texts and sorted(name for name, _, _ in named) == sorted(paths):
        by_name = {name: value for name, _, value in named}
        texts = [by_name[path] for path in paths]
    if len(texts) != len(paths):
        raise _bad_key(plan, texts, f"{len(texts)} given")
    meanings = [[*_meanings(text), *([None] * (has_null and text == "null"))] for text in texts]
    keys = [key_of(values) for values in product(*meanings)]
    return list(dict.fromkeys(key for key in keys if key is not None))


def key_paths(plan: Plan) -> list[str]:
    """What the values of a rule's keys are, in their order."""
    if isinstance(plan, CorrelationPlan):
        return [_part_text(part) for part in plan.keys]
    if isinstance(plan, PatternPlan) and plan.window is not None and plan.window.by_groups:
        return []  # one key holds all groups
    return [".".join(path) for path in plan.group_by]


def _part_text(part: KeyPart) -> str:
    paths = [part.path] if part.path is not None else [path for _, path in part.by_type]
    return "|".join(dict.fromkeys(".".join(path) for path in paths))


def _shared_values(plan: CorrelationPlan, text: str) -> list[Key]:
    assert plan.linking is not None
    kind, sign, value = text.partition("=")
    if sign and kind in {each.name for each in plan.linking.kinds}:
        text = value
    return [key for value in _meanings(text) if (key := one_key(value)) is not None]


def _meanings(text: str) -> list[Any]:
    value = json_value(text)
    if isinstance(value, str):
        return [value]
    return [text] if value is None or isinstance(value, list | dict) else [text, value]


def json_value(text: str) -> Any:
    """The JSON value of a text; None when it is none."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _bad_key(plan: Plan, texts: Sequence[str], reason: str) -> Invalid:
    paths = key_paths(plan)
    wanted = ", ".join(paths) if paths else "nothing: it has one key for all events"
    return Invalid(
        "state.key_invalid", rule=plan.id, key=" ".join(texts), wanted=wanted, reason=reason
    )
