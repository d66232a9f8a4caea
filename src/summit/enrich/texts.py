"""Operations that take texts apart: extract, parse."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from summit.documents.transform_plan import ExtractPlan, ParsePlan
from summit.enrich.conversions import in_place_or_target, to_json
from summit.enrich.effects import Effect, Operation, Refusal
from summit.enrich.places import Value
from summit.events.formats import YearOf, latest_year, parse_syslog
from summit.events.regexes import compile_regex
from summit.events.times import epoch_ms

UNPARSED: Final = "_unparsed"
_ESCAPED: Final = re.compile(r'\\(["\\])')
Reader = Callable[[str], Any]


def compile_extract(plan: ExtractPlan) -> Operation:
    """Takes what a group of the pattern holds; a text without a match stays, as all else does."""
    search = compile_regex(plan.pattern).search

    def extract(found: Any) -> Any:
        if type(found) is not str:
            return found
        match = search(found)
        part = match.group(plan.group) if match is not None else None
        return found if part is None else part

    return in_place_or_target(plan.field, plan.target, extract)


def compile_parse(plan: ParsePlan) -> Operation:
    """Makes a map of a text; what is no such text stays and is told."""
    if plan.format == "syslog":
        return _compile_syslog(plan)
    read = _reader(plan)
    return in_place_or_target(plan.field, plan.target, _of_text(read))


def read_pairs(text: str, pair_separator: str | None, key_separator: str) -> Value:
    """The pairs of a text such as `user=eve msg="not known"`.

    A name that comes again gets the list of its values; words that are no pair stand under
    `_unparsed`. A quoted value may hold separators, and `\\"`.

    >>> read_pairs('login user=eve msg="a b"', None, "=")
    {'user': 'eve', 'msg': 'a b', '_unparsed': 'login'}
    """
    found: Value = {}
    rest: list[str] = []
    for word in _words(text, pair_separator, key_separator):
        name, separator, value = word.partition(key_separator)
        name, value = name.strip(), value.strip()
        if not separator or not name:
            rest.append(word.strip())
            continue
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = _ESCAPED.sub(r"\1", value[1:-1])
        if name not in found:
            found[name] = value
        elif type(found[name]) is list:
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    if not found:
        raise Refusal("it holds no pair")
    if rest:
        found[UNPARSED] = " ".join(rest)
    return found


def _words(text: str, pair_separator: str | None, key_separator: str) -> list[str]:
    words: list[str] = []
    start = at = 0
    step = len(key_separator)
    while at < len(text):
        char = text[at]
        if char == '"' and at - step >= start and text.startswith(key_separator, at - step):
            at = _end_of_quote(text, at)
            continue
        if pair_separator is None:
            length = 1 if char.isspace() else 0
        else:
            length = len(pair_separator) if text.startswith(pair_separator, at) else 0
        if length:
            words.append(text[start:at])
            start = at + length
        at += length or 1
    words.append(text[start:])
    return [word for word in words if word.strip()]


def _end_of_quote(text: str, at: int) -> int:
    """Behind the closing quote; a quote that nothing closes ends with the text."""
    at += 1
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return min(at + 1, len(text))


def _reader(plan: ParsePlan) -> Reader:
    match plan.format:
        case "json":
            return to_json
        case "csv":
            return lambda text: _read_csv(text, plan)
        case "keyValue":
            return lambda text: read_pairs(text, plan.pair_separator, plan.key_separator)
        case _:
            search = compile_regex(plan.pattern).search
            return lambda text: _read_groups(search(text))


def _of_text(read: Reader) -> Callable[[Any], Any]:
    def change(found: Any) -> Any:
        if type(found) is not str:
            raise Refusal("it is no text")
        return read(found)

    return change


def _read_csv(text: str, plan: ParsePlan) -> Value:
    try:
        rows = list(
            csv.reader(io.StringIO(text, newline=""), delimiter=plan.delimiter, strict=True)
        )
    except csv.Error:
        raise Refusal("it is no line of CSV") from None
    if len(rows) != 1:
        raise Refusal(f"it holds {len(rows)} lines, not one")
    if len(rows[0]) > len(plan.columns):
        raise Refusal(f"it holds {len(rows[0])} values for {len(plan.columns)} columns")
    return dict(zip(plan.columns, rows[0], strict=False))


def _read_groups(match: Any) -> Value:
    if match is None:
        raise Refusal("the pattern does not match")
    return {name: part for name, part in match.groupdict().items() if part is not None}


def _compile_syslog(plan: ParsePlan) -> Operation:
    def parse(value: Value) -> Effect:
        # A line that names no year is of the last one before the event.
        reference_ms = epoch_ms(value.get("timestamp"))
        year_of = _no_year if reference_ms is None else latest_year(reference_ms)
        read = _of_text(lambda text: _read_syslog(text, year_of, plan.utc_offset_minutes))
        return in_place_or_target(plan.field, plan.target, read)(value)

    return parse


def _read_syslog(text: str, year_of: YearOf, utc_offset_minutes: int) -> Value:
    events = parse_syslog(text.rstrip("\r\n"), year_of, utc_offset_minutes=utc_offset_minutes)
    first = events[0]
    if first.pop("eventType", None) == "log.line":
        raise Refusal("it is no line of syslog")
    if first.pop("repeat", None) is not None:
        first["repeats"] = len(events) + events[-1].get("repeatsLeftOut", 0)
    return first


def _no_year(month: int, day: int) -> NoReturn:
    raise Refusal("it names no year, and the event has no timestamp")
