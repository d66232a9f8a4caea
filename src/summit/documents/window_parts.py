"""The members of a window rule, one reader each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from summit.documents.plan import Limits
from summit.documents.section import Section, kind_name
from summit.documents.window_plan import (
    EVENTS_PER_KEY_DEFAULT,
    EVIDENCE_DEFAULT,
    Rearm,
    WindowKind,
)
from summit.events.expressions.analysis import required_fields
from summit.events.expressions.generator import Names, compile_predicate
from summit.events.expressions.ir import Node, Path
from summit.events.expressions.window_calls import (
    WINDOW_FUNCTIONS,
    WindowCall,
    WindowFunction,
    WindowScope,
    is_percent,
)

_KINDS: Final[tuple[WindowKind, ...]] = ("tumbling", "sliding", "session")
_GAP_DEFAULT_MS: Final = 5_000
_PANES_MAX: Final = 1_000
_AGGREGATE_FIELDS: Final = ("name", "field", "function", "percentile", "of")
_NAME_CHARS_MAX: Final = 64
_COMPARED: Final[tuple[WindowFunction, ...]] = (
    "sum", "avg", "min", "max", "stddev", "count", "distinct",
)  # fmt: skip
_COUNTS_TRIED: Final = 1_000
EXPECTED_MAX: Final = 100_000
EVIDENCE_MAX: Final = 100_000
_EVIDENCE_OF_COLLECTING: Final = 10_000

NamedCalls = tuple[tuple[str, str], ...]


def read_window(section: Section) -> tuple[WindowKind, int | None, int | None, int | None]:
    """Kind, size, slide and gap, from `window` or the guide's `windowConfig`."""
    nothing: tuple[WindowKind, int | None, int | None, int | None] = ("sliding", 1, None, None)
    name = "window" if section.has("window") else "windowConfig"
    if section.has("window") and section.has("windowConfig"):
        section.note("windowConfig", "a pattern has either 'window' or 'windowConfig'")
    value = section.mapping(name)
    if value is None:
        if not section.has(name):
            section.note("window", "needs 'window', such as {type: sliding, size: 60s}")
        return nothing
    names = ("type", "size", "slide", "gap", "allowedLatenessMs")
    config = Section(
        value, section.at(name), section.problems,
        names=names if name == "windowConfig" else names[:-1], noun=name,
    )  # fmt: skip
    if not config.has("type"):
        config.note("type", f"needs one of {', '.join(_KINDS)}")
    kind = config.choice("type", _KINDS)
    if kind is None:
        return nothing
    size_ms = config.duration_ms("size", required=kind != "session")
    slide_ms, gap_ms = config.duration_ms("slide"), config.duration_ms("gap")
    if slide_ms is not None and kind != "sliding":
        config.note("slide", f"a {kind} window has no slide")
    elif slide_ms is not None and size_ms is not None:
        _check_slide(config, size_ms, slide_ms)
    if gap_ms is not None and kind != "session":
        config.note("gap", f"a {kind} window has no gap; a session has")
    if kind == "session":
        gap_ms = gap_ms or _GAP_DEFAULT_MS
        if size_ms is not None and size_ms <= gap_ms:
            config.note("size", "a session must be longer than its gap")
    return kind, size_ms, slide_ms, gap_ms


def _check_slide(config: Section, size_ms: int, slide_ms: int) -> None:
    if slide_ms > size_ms:
        config.note("slide", "must not be longer than 'size': events between would be in none")
    elif size_ms // slide_ms > _PANES_MAX:
        config.note("slide", f"at most {_PANES_MAX} slides fit into 'size'; or leave 'slide' out")
    elif size_ms % slide_ms:
        config.note("slide", "'size' must be a multiple of 'slide'")


def read_aggregates(section: Section, scope: WindowScope) -> NamedCalls:
    """The names of `aggregates`, each with its call's text."""
    found: dict[str, str] = {}
    for value, pointer in section.items("aggregates"):
        if not isinstance(value, Mapping):
            section.problems.add(pointer, f"must be a map, not {kind_name(value)}")
            continue
        one = Section(value, pointer, section.problems, names=_AGGREGATE_FIELDS, noun="aggregate")
        call = _read_aggregate(one)
        name = one.text("name", chars_max=_NAME_CHARS_MAX)
        if call is None:
            continue
        if call.of is not None:
            scope.add(call.of)
        scope.add(call)
        name = name or call.text
        if name in found:
            one.note("name", f"the name '{name}' stands here twice")
        elif "." in name:
            one.note("name", "a name must not hold a dot")
        found[name] = call.text
    return tuple((name, text) for name, text in found.items() if name != text)


def _read_aggregate(section: Section) -> WindowCall | None:
    before = len(section.problems)
    if not section.has("function"):
        section.note("function", f"needs one of {', '.join(WINDOW_FUNCTIONS)}")
    function = section.choice("function", WINDOW_FUNCTIONS)
    bare = function in ("count", "rate", "score")
    path = section.path("field", required=function is not None and not bare)
    if path is not None and function in ("rate", "score"):
        section.note("field", f"{function} has no field")
    percent = section.values.get("percentile")
    if (percent is not None) is not (function == "percentile"):
        section.note("percentile", "a number from 0 to 100, with the function percentile only")
    elif percent is not None and not is_percent(percent):
        section.note("percentile", "must be a number from 0 to 100")
    of = None
    if section.has("of") and function != "zscore":
        section.note("of", "is for zscore: by which function groups are compared")
    if function == "zscore":
        inner = section.choice("of", _COMPARED)
        of, path = WindowCall(inner or "sum", path), None
    if function is None or len(section.problems) > before:
        return None
    return WindowCall(function, path, None if percent is None else float(percent), of)


def read_scores(section: Section) -> tuple[tuple[str, int | float], ...]:
    """`score`: event types and what each adds."""
    value = section.mapping("score")
    if value is None:
        return ()
    if not value:
        section.note("score", "needs at least one event type")
    found: list[tuple[str, int | float]] = []
    for name, weight in value.items():
        if isinstance(weight, bool) or not isinstance(weight, (int, float)):
            section.problems.add(
                f"{section.at('score')}/{name}", f"must be a number, not {kind_name(weight)}"
            )
            continue
        found.append((str(name), weight))
    return tuple(sorted(found))


def read_rearm(section: Section, *, default: Rearm) -> tuple[Rearm, int]:
    """`rearm: window | always | {after: 10m}`."""
    value = section.values.get("rearm")
    if value is None:
        return default, 0
    if isinstance(value, str):
        kinds: tuple[Rearm, ...] = ("window", "always")
        if value.startswith("after"):
            section.note("rearm", "write it as {after: 10m}")
            return default, 0
        return section.choice("rearm", kinds) or default, 0
    inner = section.mapping("rearm")
    if inner is None:
        return default, 0
    part = Section(inner, section.at("rearm"), section.problems, names=("after",), noun="rearm")
    return "after", part.duration_ms("after", required=True) or 0


def read_expected(section: Section) -> tuple[tuple[Any, ...], ...]:
    """`expectedKeys`: values of `groupBy`, a list each where that has several fields."""
    width = len(section.values.get("groupBy") or ())
    found: dict[tuple[Any, ...], None] = {}
    for value, pointer in section.items("expectedKeys"):
        values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        if len(values) != width:
            section.problems.add(pointer, f"needs {width} values, one for each field of groupBy")
        elif not all(isinstance(part, (str, int, float)) for part in values):
            section.problems.add(pointer, "must consist of texts, numbers, true or false")
        else:
            found[values] = None
    if len(found) > EXPECTED_MAX:
        section.note("expectedKeys", f"at most {EXPECTED_MAX} keys, not {len(found)}")
    return tuple(found)


def read_window_limits(section: Section, *, whole: bool) -> tuple[Limits, int, int]:
    """`limits`: with it `eventsPerKey` and `evidence`.

    Args:
        whole: Whether all events are kept whole, because the action is given them.
    """
    value = section.mapping("limits") or {}
    limits = Section(
        value, section.at("limits"), section.problems, names=("keys", "eventsPerKey", "evidence"),
        noun="limits of a window",
    )  # fmt: skip
    events = limits.whole("eventsPerKey", least=1, most=10_000_000) or EVENTS_PER_KEY_DEFAULT
    evidence = limits.whole("evidence", least=1, most=EVIDENCE_MAX)
    keys = limits.whole("keys", least=1) or Limits().keys
    return (
        Limits(keys=keys),
        events,
        evidence or (_EVIDENCE_OF_COLLECTING if whole else EVIDENCE_DEFAULT),
    )


def holds_of_nothing(having: Node | None, scope: WindowScope, names: NamedCalls) -> bool:
    """Whether `having` is true when there are no events."""
    if having is None:
        return False
    calls = dict(names)

    class Nothing:
        def field_code(self, path: Path, names: Names) -> str:
            name = ".".join(path)
            call = scope.calls.get(calls.get(name, name))
            return names.bind(None if call is None else call.of_nothing)

        def reference_code(self, node: Any, names: Names) -> str:
            raise AssertionError(node)

    return compile_predicate(having, Nothing())(None)


def needs_no_event(having: Node | None, scope: WindowScope, names: NamedCalls) -> bool:
    """Whether `having` asks for nothing but a count, and is true of 0 events only."""
    if having is None:
        return False
    calls = dict(names)
    asked = {".".join(path) for path in required_fields(having)}
    if {calls.get(name, name) for name in asked} != {"count()"}:
        return False

    class Count:
        def field_code(self, path: Path, names: Names) -> str:
            return "e"

        def reference_code(self, node: Any, names: Names) -> str:
            raise AssertionError(node)

    holds = compile_predicate(having, Count())
    return bool(holds(0)) and not any(holds(count) for count in range(1, _COUNTS_TRIED))
