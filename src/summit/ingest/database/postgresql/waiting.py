"""Statements that wait for other people's transactions: for whose they wait, and how to end that.

A slot is made at a place before which no transaction is open, so the server waits for all that are.
The statement runs on a thread of its own; meanwhile the source's thread asks who is waited for, and
cancels it when the collector ends.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from summit.ingest.database.postgresql.link import Link

R = TypeVar("R")

LOOK_S: Final = 0.1  # between two looks whether the collector ends
ASK_S: Final = 1.0  # between two questions who is waited for
CANCEL_S: Final = 5.0  # how long the server takes to end a statement
_WHO: Final = """
SELECT pid, coalesce(usename::text, '?'), coalesce(nullif(application_name, ''), '?'),
       coalesce(state, '?'), coalesce(extract(epoch FROM now() - xact_start), 0)::int8
  FROM unnest(pg_blocking_pids(%s)) AS pid LEFT JOIN pg_stat_activity USING (pid) LIMIT 10
"""


class Closing(Exception):
    """The collector ends; the statement did not."""


class Waits:
    """Runs such statements for one source; used by its thread, read by the loop.

    Args:
        link: The way to the server.
        is_closing: Whether the collector ends.
    """

    def __init__(self, link: Link, is_closing: Callable[[], bool]) -> None:
        self._link = link
        self.is_closing = is_closing
        self.for_whom: list[str] = []

    def run(self, connection: Any, asking: Any, statement: Callable[[], R]) -> R:
        """The result of a statement, once nobody is in its way.

        Args:
            connection: What the statement runs on; it is cancelled there.
            asking: Another connection, for the questions.
            statement: Runs it. On a thread of its own.
        Raises: Closing; as the statement.
        """
        found: list[R] = []
        faults: list[BaseException] = []

        def work() -> None:
            try:
                found.append(statement())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
                faults.append(error)

        thread = threading.Thread(target=work, name="summit-postgresql-waiting", daemon=True)
        thread.start()
        pid, looks = connection.info.backend_pid, 0
        try:
            while thread.is_alive():
                if self.is_closing():
                    raise Closing
                if looks % int(ASK_S / LOOK_S) == 1:
                    self.for_whom = self._ask(asking, pid)
                thread.join(LOOK_S)
                looks += 1
        finally:
            self.for_whom = []
            if thread.is_alive():
                with contextlib.suppress(Exception):  # it may be gone already
                    connection.cancel()
                thread.join(CANCEL_S)
        if faults:
            raise faults[0]
        return found[0]

    def _ask(self, asking: Any, pid: int) -> list[str]:
        return [
            "a prepared transaction (see pg_prepared_xacts)"
            if blocker == 0
            else f"process {blocker} of {user} ({program}): {state}, its transaction is {age} s old"
            for blocker, user, program, state, age in self._link.query(asking, _WHO, pid)
        ]

    def warnings(self) -> list[str]:
        """Who is in the way, and what to do."""
        if not self.for_whom:
            return []
        who = "; ".join(self.for_whom)
        told = "PostgreSQL waits for transactions that were open when the collector began"
        return [f"{told}: {who}. It goes on when they end (SELECT pg_terminate_backend(PROCESS))."]
