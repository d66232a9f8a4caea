"""Reads the operations of a transformation: `{field, operation, config}`, each with its own config.

One operation, one row of `OPERATIONS`: the reader and the members of its config.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from summit.base import limits
from summit.base.config import nearest
from summit.base.errors import Invalid
from summit.documents.problems import Problems, join_pointer
from summit.documents.section import Section, kind_name
from summit.documents.transform_plan import (
    AddPlan,
    ConvertPlan,
    ConvertType,
    CopyPlan,
    ExtractPlan,
    FlattenPlan,
    HashPlan,
    MaskPlan,
    OperationPlan,
    ParseFormat,
    ParsePlan,
    RemovePlan,
    RenamePlan,
    TimeForm,
    TimestampPlan,
    TruncateIpPlan,
)
from summit.events.expressions.ir import Path
from summit.events.regexes import compile_regex

WILDCARD: Final = "*"
TIME_FORMATS: Final = ("iso", "seconds", "ms", "micros", "nanos")
_CONVERT_TYPES: Final[tuple[ConvertType, ...]] = (
    "string", "number", "boolean", "json", "timestamp",
)  # fmt: skip
_PARSE_FORMATS: Final[tuple[ParseFormat, ...]] = ("json", "csv", "keyValue", "regex", "syslog")
_TIME_FORMS: Final[tuple[TimeForm, ...]] = ("ms", "seconds", "iso")
_SECRET: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|file:.+", re.ASCII)
_OFFSET: Final = re.compile(r"([+-])(\d\d):([0-5]\d)|Z", re.ASCII)
# What belongs to one format of `parse` only.
_PARSE_OPTIONS: Final = {
    "columns": "csv", "delimiter": "csv", "pairSeparator": "keyValue", "keySeparator": "keyValue",
    "pattern": "regex", "utcOffset": "syslog",
}  # fmt: skip


def read_operations(section: Section, name: str) -> tuple[tuple[str, OperationPlan], ...]:
    """The operations of a rule, in order; those with a problem are left out."""
    if not section.has(name):
        section.note(name, f"a transformation needs '{name}'")
        return ()
    found: list[tuple[str, OperationPlan]] = []
    count = 0
    for value, pointer in section.items(name):
        count += 1
        if not isinstance(value, Mapping):
            section.problems.add(pointer, f"must be an operation (a map), not {kind_name(value)}")
            continue
        operation = _read_operation(value, pointer, section.problems)
        if operation is not None:
            found.append(operation)
    if count == 0 and isinstance(section.values[name], (list, tuple)):
        section.note(name, "needs at least one operation")
    if count > limits.TRANSFORM_OPERATIONS_MAX:
        section.note(name, f"at most {limits.TRANSFORM_OPERATIONS_MAX} operations, not {count}")
    return tuple(found)


def _read_operation(
    value: Mapping[str, Any], pointer: str, problems: Problems
) -> tuple[str, OperationPlan] | None:
    before = len(problems)
    outer = Section(
        value, pointer, problems, names=("field", "operation", "config"), noun="operation"
    )
    name = outer.text("operation", required=True)
    if name is None:
        return None
    row = OPERATIONS.get(name)
    if row is None:
        text = f"there is no operation '{name[:80]}'; there are {', '.join(OPERATIONS)}"
        outer.note("operation", text, nearest(name, OPERATIONS))
        return None
    config = Section(
        outer.mapping("config") or {}, join_pointer(pointer, "config"), problems,
        names=row.config, noun=f"{name} config",
    )  # fmt: skip
    field = _path(outer, "field", required=True, wild=row.is_wild)
    plan = row.read(field or ("",), config)
    return (name, plan) if plan is not None and len(problems) == before else None


class _Row(NamedTuple):
    """One operation: how its config is read, its members, and whether its field may have `*`."""

    read: Callable[[Path, Section], OperationPlan | None]
    config: tuple[str, ...] = ()
    is_wild: bool = True


def _path(section: Section, name: str, *, required: bool, wild: bool = False) -> Path | None:
    path = section.path(name, required=required)
    if path is not None and not wild and WILDCARD in path:
        section.note(name, "cannot have '*' here: it must be one place")
        return None
    return path


def _target(field: Path, config: Section) -> Path | None:
    """The optional `outputField`."""
    target = _path(config, "outputField", required=False)
    if target is not None and WILDCARD in field:
        config.note("outputField", "cannot go with a field that has '*': it is one place")
    return target


def _text(config: Section, name: str, default: str, chars: int | None = None) -> str:
    """A text that may be white space."""
    value = config.values.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or not value:
        config.note(name, "must be a text that is not empty")
    elif chars is not None and len(value) != chars:
        config.note(name, f"must be {chars} character{'s' if chars > 1 else ''}")
    else:
        return value
    return default


def _utc_offset_minutes(config: Section) -> int:
    text = config.text("utcOffset")
    if text is None:
        return 0
    found = _OFFSET.fullmatch(text)
    if found is None or (found[2] and int(found[2]) > 14):
        config.note("utcOffset", "must be an offset from UTC such as '+02:00', or 'Z'")
        return 0
    if not found[1]:
        return 0
    minutes = int(found[2]) * 60 + int(found[3])
    return minutes if found[1] == "+" else -minutes


def _rename(field: Path, config: Section) -> OperationPlan | None:
    target = _path(config, "newName", required=True)
    if target == field:
        config.note("newName", "is the field itself")
    return RenamePlan(field, target) if target else None


def _convert(field: Path, config: Section) -> OperationPlan | None:
    if config.text("type", required=True) is None:
        return None
    kind = config.choice("type", _CONVERT_TYPES)
    return ConvertPlan(field, kind) if kind else None


def _extract(field: Path, config: Section) -> OperationPlan | None:
    target = _target(field, config)
    pattern = config.text("pattern", required=True)
    regex = _regex(pattern, config)
    if pattern is None or regex is None:
        return None
    group = config.values.get("group")
    if group is None:
        group = 1 if regex.groups else 0
    elif type(group) is int:
        if not 0 <= group <= regex.groups:
            config.note("group", f"the pattern has {regex.groups} groups")
    elif type(group) is not str:
        config.note("group", f"must be a group's number or name, not {kind_name(group)}")
    elif group not in regex.groupindex:
        known = list(regex.groupindex)
        config.note("group", "the pattern has no group of this name", nearest(group, known))
    return ExtractPlan(field, pattern, group, target)


def _regex(pattern: str | None, config: Section) -> Any:
    if pattern is None:
        return None
    try:
        return compile_regex(pattern)
    except Invalid as error:
        config.problems.add_error(config.at("pattern"), error)
        return None


def _mask(field: Path, config: Section) -> OperationPlan | None:
    char = _text(config, "maskChar", "*", chars=1)
    start = config.whole("preserveStart", least=0) or 0
    end = config.whole("preserveEnd", least=0) or 0
    least = config.whole("minMasked", least=1) or 3
    return MaskPlan(field, char, start, end, least, config.flag("preserveDomain", default=False))


def _hash(field: Path, config: Section) -> OperationPlan | None:
    key = config.text("key", required=True)
    algorithm = config.choice("algorithm", ("sha256", "sha384", "sha512")) or "sha256"
    if key is not None and _SECRET.fullmatch(key) is None:
        # The text may be the secret: it is not repeated.
        config.note("key", "must name where the secret is: '${NAME}' or 'file:PATH'")
        return None
    return HashPlan(field, key, algorithm) if key else None


def _remove(field: Path, config: Section) -> OperationPlan | None:
    return RemovePlan(field)


def _add(field: Path, config: Section) -> OperationPlan | None:
    if "value" not in config.values:
        config.note("value", "an add config needs 'value'")
    return AddPlan(field, config.values.get("value"))


def _copy(field: Path, config: Section) -> OperationPlan | None:
    target = _path(config, "outputField", required=True)
    if target == field:
        config.note("outputField", "is the field itself")
    return CopyPlan(field, target) if target else None


def _flatten(field: Path, config: Section) -> OperationPlan | None:
    separator = _text(config, "separator", "_")
    if "." in separator:
        config.note("separator", "must not have '.': no field path leads to such a name")
    return FlattenPlan(field, separator, config.flag("lists", default=False))


def _parse(field: Path, config: Section) -> OperationPlan | None:
    if config.text("format", required=True) is None:
        return None
    kind = config.choice("format", _PARSE_FORMATS)
    if kind is None:
        return None
    for name, owner in _PARSE_OPTIONS.items():
        if config.has(name) and owner != kind:
            config.note(name, f"belongs to format {owner}, not {kind}")
    columns = config.texts("columns")
    pattern = config.text("pattern", required=kind == "regex") or ""
    if kind == "csv" and not columns:
        config.note("columns", "format csv needs 'columns': the names of the values, in order")
    regex = _regex(pattern, config) if pattern else None
    if regex is not None and not regex.groupindex:
        config.note("pattern", "needs named groups, such as (?P<user>\\w+)")
    pair: str | None = _text(config, "pairSeparator", " ")
    if pair is not None and pair.isspace() and pair != "\t":
        pair = None
    delimiter = _text(config, "delimiter", ",", chars=1)
    if delimiter in '"\r\n':
        config.note("delimiter", "cannot be a quote or the end of a line")
    return ParsePlan(
        field, kind, _target(field, config), columns, delimiter, pair,
        _text(config, "keySeparator", "="), pattern, _utc_offset_minutes(config),
    )  # fmt: skip


def _timestamp(field: Path, config: Section) -> OperationPlan | None:
    value = config.values.get("format")
    formats = (value,) if isinstance(value, str) else config.texts("format")
    for text in formats:
        if text in TIME_FORMATS:
            continue
        if "%" not in text:
            message = f"'{text[:80]}' is neither one of {', '.join(TIME_FORMATS)} nor has it '%'"
            config.note("format", message, nearest(text, TIME_FORMATS))
        elif (fault := _strptime_fault(text)) is not None:
            config.note("format", f"'{text[:80]}' {fault}")
    form = config.choice("to", _TIME_FORMS) or "ms"
    return TimestampPlan(field, formats, form, _utc_offset_minutes(config), _target(field, config))


def _strptime_fault(text: str) -> str | None:
    if not any(name in text for name in ("%Y", "%y", "%G", "%c", "%x")):
        return "does not say the year"
    try:
        datetime.strptime("", text)  # noqa: DTZ007 - only the format is of interest
    except ValueError as error:
        if "does not match" not in str(error):
            return f"is no format: {error}"
    except re.error:
        return "is no format: it says something twice"
    return None


def _truncate_ip(field: Path, config: Section) -> OperationPlan | None:
    ipv4 = config.whole("ipv4Bits", least=0, most=32)
    ipv6 = config.whole("ipv6Bits", least=0, most=128)
    return TruncateIpPlan(field, 24 if ipv4 is None else ipv4, 48 if ipv6 is None else ipv6)


OPERATIONS: Final[dict[str, _Row]] = {
    "rename": _Row(_rename, ("newName",), is_wild=False),
    "convert": _Row(_convert, ("type",)),
    "extract": _Row(_extract, ("pattern", "group", "outputField")),
    "mask": _Row(
        _mask, ("maskChar", "preserveStart", "preserveEnd", "minMasked", "preserveDomain")
    ),
    "hash": _Row(_hash, ("key", "algorithm")),
    "remove": _Row(_remove),
    "add": _Row(_add, ("value",), is_wild=False),
    "copy": _Row(_copy, ("outputField",), is_wild=False),
    "flatten": _Row(_flatten, ("separator", "lists")),
    "parse": _Row(_parse, ("format", "outputField", *_PARSE_OPTIONS)),
    "timestamp": _Row(_timestamp, ("format", "to", "utcOffset", "outputField")),
    "truncateIp": _Row(_truncate_ip, ("ipv4Bits", "ipv6Bits")),
}
