"""Asking the notifier, wherever it runs, for notices, and waiting for what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from summit.alerts.desk import Decision
from summit.alerts.desk_state import Audit
from summit.alerts.entries import Tell
from summit.journal.desk_follower import DeskFollower


async def ask_to_tell(
    desk: DeskFollower, entries: Iterable[Tell], timeout_s: float
) -> list[Audit | None]:
    """Write entries, and wait for what becomes of them.

    Returns: In their order, the change that says whether it was delivered (`after`) and why not
        (`note`); None where there is no answer in time.
    Raises: as `DeskFollower.write_all`.
    """
    answers: asyncio.Queue[Audit] = asyncio.Queue()

    def listen(decision: Decision) -> None:
        for change in decision.changes:
            if change.what == "notified" and change.after.get("request") is not None:
                answers.put_nowait(change)

    desk.on("decision", listen)
    try:
        asked = [decision.changes[0].offset for decision in await desk.write_all(entries)]
        found: dict[int, Audit] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not found.keys() >= set(asked):
                    change = await answers.get()
                    if change.after["request"] in asked:
                        found[change.after["request"]] = change
    finally:
        desk.off("decision", listen)
    return [found.get(offset) for offset in asked]
