"""The routes of backtests: what a rule, or two versions of it, would have found in the log.

event: progress             {records, total, a: {alerts, ...}, ...}, now and then
event: found                {kind: onlyA | onlyB | both, a?, b?}; the first ones, once certain
event: done                 the same as the last progress; the stream ends
event: failed               a problem, as other routes answer it

The same code runs as in workers; nothing is written. It runs on a thread of its own, one at a time,
and ends when its client goes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Annotated, Any, Final

import msgspec

from summit.base.errors import Internal, Invalid, SummitError, Unavailable
from summit.events.times import epoch_ms
from summit.flow.kinds import RULE_KINDS, Plan
from summit.journal.definition_log import Definition
from summit.services.definition_grants import require_reading
from summit.services.document_schemas import document_schema
from summit.services.node import Node
from summit.web import HEARTBEAT, Event, Operation, Request, Response, Routes, problem_of

PROGRESS_S: Final = 1.0
_TEXT: Final = (
    "Server-sent events: `progress`, `found`, then `done` or `failed`. Nothing is registered or"
    " written. It ends when its client goes; one runs at a time."
)


class Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Over which part of the log, and against what.

    Attributes:
        topics: Names and globs, whatever the rule's own topics are.
        since: Epoch milliseconds or RFC 3339 text; the first kept record, where it is missing.
        until: The same; the end of now, where it is missing.
        against: Another document of the kind, to be compared with.
        findings: How many `found` events may come.
    """

    topics: list[str] = []
    since: int | str | None = None
    until: int | str | None = None
    against: dict[str, Any] | None = None
    findings: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 100


def add_backtests(
    routes: Routes, node: Node, kind: str, path: str, named: str,
    known: Callable[[Request], Definition],
) -> None:  # fmt: skip
    """Add `POST path/backtest` and `POST path/{id}/backtest`; arguments as of `add_trials`."""
    validate = RULE_KINDS[kind].validate
    document: Any = (named, dict[str, Any])
    given = msgspec.defstruct(
        "Backtest", [document], bases=(Asked,), forbid_unknown_fields=True, kw_only=True
    )
    tag = "patterns" if kind == "pattern" else path.rpartition("/")[2]

    def answer(request: Request, asked: Any, tested: dict[str, Any]) -> Response:
        documents = [tested] if asked.against is None else [tested, asked.against]
        for each in documents:
            require_reading(request, asked.topics or each.get("topics"))
        plans = [validate(each).plan for each in documents]
        return node.streams.answer(request, _Run(node, plans, asked).events())

    async def with_document(request: Request) -> Response:
        asked: Any = await request.read_json(given)
        return answer(request, asked, getattr(asked, named))

    async def of_one(request: Request) -> Response:
        definition = known(request)
        return answer(request, await request.read_json(Asked), dict(definition.document))

    (_, asked_schema), parts = msgspec.json.schema_components([Asked, Asked])
    schema = parts[asked_schema["$ref"].rpartition("/")[2]]
    body = {
        **schema, "title": "backtest", "required": [named],
        "properties": {**schema["properties"], named: document_schema(kind)},
    }  # fmt: skip
    for place, handler, text, more in (
        ("/backtest", with_document, f"Run a {kind} over the past", {"body_schema": body}),
        ("/{id}/backtest", of_one, f"Run a registered {kind} over the past", {"body": Asked}),
    ):
        operation = Operation(
            text, tag, _TEXT, media=("text/event-stream",), problems=(403,), **more
        )
        routes.post(path + place, handler, operation)


class _Run:
    """One backtest, and what its client has not heard yet.

    What crosses from its thread is one `Backtested` and at most `findings` findings.
    """

    _under_way = False  # of the process

    def __init__(self, node: Node, plans: list[Plan], asked: Asked) -> None:
        self._node = node
        self._plans = plans
        self._asked = asked
        self._since, self._until = _time(asked.since, "since"), _time(asked.until, "until")
        self._left = asked.findings
        self._found: deque[Event] = deque()
        self._so_far: bytes | None = None
        self._thread: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._is_left = False

    async def events(self) -> AsyncGenerator[Event, None]:
        """See the module."""
        if _Run._under_way:
            reason = "another backtest runs here"
            busy = Unavailable("service.busy", reason=reason, retry_after_ms=5_000)
            yield Event.of("failed", problem_of(busy))
            return
        _Run._under_way = True
        running = asyncio.ensure_future(asyncio.to_thread(self._work))
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=PROGRESS_S)
                if self._node.streams.ending.is_set():
                    return
                while self._found:
                    yield self._found.popleft()
                so_far, self._so_far = self._so_far, None
                yield HEARTBEAT if so_far is None else Event("progress", so_far)
            while self._found:
                yield self._found.popleft()
            yield self._end(running)
        finally:
            self._leave()
            with suppress(asyncio.CancelledError, Exception):
                await asyncio.wait({running}, timeout=30)
            _Run._under_way = False

    @staticmethod
    def _end(running: asyncio.Future[Any]) -> Event:
        error = running.exception()
        if error is None:
            return Event.of("done", _counts(running.result()))
        if not isinstance(error, SummitError):
            error = Internal("internal", reason=type(error).__name__)
        return Event.of("failed", problem_of(error))

    def _leave(self) -> None:
        self._is_left = True
        if self._thread is not None:
            loop, task = self._thread
            with suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(task.cancel)

    # ---- on its thread ----

    def _work(self) -> Any:
        # Read late: a node that backtests nothing need not hold what matches.
        from summit.flow.backtest import Backtest, BacktestSettings
        from summit.flow.spans import Range

        span = Range(topics=self._asked.topics, since_ms=self._since, until_ms=self._until)
        settings = BacktestSettings(
            servers=self._node.servers, plan=self._plans[0],
            against=self._plans[1] if len(self._plans) > 1 else None, range=span,
        )  # fmt: skip

        async def run() -> Any:
            task = asyncio.current_task()
            assert task is not None
            self._thread = asyncio.get_running_loop(), task
            if self._is_left:
                raise asyncio.CancelledError
            return await Backtest(settings, self._take, self._tell).run()

        return asyncio.run(run())

    def _take(self, found: Any) -> None:
        if self._left <= 0:
            return
        self._left -= 1
        sides = {name: getattr(found, name) for name in ("a", "b")}
        rows = {
            name: each.document if each.alert is None else msgspec.to_builtins(each.alert)
            for name, each in sides.items()
            if each is not None
        }
        self._found.append(Event.of("found", {"kind": found.kind, **rows}))

    def _tell(self, so_far: Any) -> None:
        self._so_far = msgspec.json.encode(_counts(so_far))


def _counts(so_far: Any) -> dict[str, Any]:
    """With the counts that are 0, too."""
    plain: dict[str, Any] = msgspec.to_builtins(so_far)
    return {"records": 0, "total": 0, "rejected": 0, "late": 0, **plain}


def _time(value: int | str | None, name: str) -> int | None:
    if value is None:
        return None
    at = epoch_ms(value)
    if at is None:
        reason = "expected epoch milliseconds or RFC 3339 text"
        raise Invalid("web.json_invalid", reason=reason, pointer=f"/{name}")
    return at
