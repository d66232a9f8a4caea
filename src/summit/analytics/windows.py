"""Which keeper keeps the windows of a query."""

from __future__ import annotations

from typing import Any, Final

from summit.analytics.aligned import AlignedWindows
from summit.analytics.counted import CountWindows
from summit.analytics.keeper import Keeper
from summit.analytics.program import Program
from summit.analytics.sessions import SessionWindows
from summit.analytics.trailing import TrailingWindows
from summit.analytics.unbounded import GlobalWindow
from summit.documents.query_plan import WindowKind

_KEEPERS: Final[dict[WindowKind, type[Keeper[Any]]]] = {
    "tumbling": AlignedWindows,
    "hopping": AlignedWindows,
    "sliding": TrailingWindows,
    "session": SessionWindows,
    "count": CountWindows,
    "global": GlobalWindow,
}


def new_keeper(program: Program) -> Keeper[Any]:
    """The windows of a compiled query, with no groups yet."""
    return _KEEPERS[program.plan.window.kind](program)
