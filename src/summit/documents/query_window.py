"""The window of a query: its type, and what belongs to each."""

from __future__ import annotations

from typing import Final, get_args

from summit.documents.query_plan import WindowKind, WindowPlan
from summit.documents.section import Section

_GAP_DEFAULT_MS: Final = 5_000
_SLICES_MAX: Final = 100_000
_BELONGS: Final[dict[WindowKind, tuple[str, ...]]] = {
    "tumbling": ("size", "slide", "offset"),
    "hopping": ("size", "slide", "offset"),
    "sliding": ("size", "slide", "offset"),
    "session": ("gap", "size"),
    "count": ("count", "step"),
    "global": ("every", "everyCount"),
}
_FIELDS: Final = (
    "type", "size", "slide", "offset", "gap", "count", "step", "every", "everyCount",
)  # fmt: skip


def read_window(section: Section) -> WindowPlan | None:
    """The window; None with a problem, which is noted."""
    value = section.mapping("window")
    if value is None:
        if not section.has("window"):
            text = (
                "a query needs 'window'; without end, {type: global, every: 1m} or "
                "{type: global, everyCount: 1000}"
            )
            section.note("window", text)
        return None
    before = len(section.problems)
    inner = Section(value, section.at("window"), section.problems, names=_FIELDS, noun="window")
    kind = inner.choice("type", get_args(WindowKind))
    if kind is None:
        if not inner.has("type"):
            inner.note("type", f"a window needs 'type': {', '.join(get_args(WindowKind))}")
        return None
    for name in _FIELDS[1:]:
        if inner.has(name) and name not in _BELONGS[kind]:
            inner.note(name, f"a {kind} window has no '{name}', only {_and(_BELONGS[kind])}")
    window = _READERS[kind](inner)
    return window if len(section.problems) == before else None


def _aligned(inner: Section) -> WindowPlan:
    kind = inner.values["type"]
    size = inner.duration_ms("size", required=True) or 1
    slide = inner.duration_ms("slide", required=kind == "hopping")
    offset = inner.duration_ms("offset", least=0) or 0
    if kind == "tumbling" and slide not in (None, size):
        inner.note("slide", "a tumbling window slides by its size; use type: hopping")
    if slide is None and kind == "sliding":
        if inner.has("offset"):
            inner.note("offset", "a window for each event is not aligned")
        return WindowPlan("sliding", size)
    slide = slide or size
    if size // slide > _SLICES_MAX:
        inner.note("slide", f"is too short: at most {_SLICES_MAX} windows may overlap")
    return WindowPlan("tumbling" if slide == size else "hopping", size, slide, offset % slide)


def _session(inner: Section) -> WindowPlan:
    gap = inner.duration_ms("gap") or _GAP_DEFAULT_MS
    longest = inner.duration_ms("size")
    return WindowPlan("session", longest, gap_ms=gap)


def _count(inner: Section) -> WindowPlan:
    count = inner.whole("count", least=1, most=1_000_000)
    if not inner.has("count"):
        inner.note("count", "a count window needs 'count'")
    step = inner.whole("step", least=1, most=1_000_000)
    if count and step and step > count:
        inner.note("step", f"must be at most the count, {count}: events would fall between")
    return WindowPlan("count", count=count, step=step or count)


def _global(inner: Section) -> WindowPlan:
    every, count = inner.duration_ms("every"), inner.whole("everyCount", least=1)
    if not inner.has("every") and not inner.has("everyCount"):
        inner.note("every", "a global window never closes: say when to tell it, every: 1m")
    return WindowPlan("global", every_ms=every, every_count=count)


_READERS: Final = {
    "tumbling": _aligned,
    "hopping": _aligned,
    "sliding": _aligned,
    "session": _session,
    "count": _count,
    "global": _global,
}


def _and(names: tuple[str, ...]) -> str:
    return " and ".join(f"'{name}'" for name in names)
