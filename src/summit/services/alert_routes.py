"""The routes of alerts and what is done about them: states, silences, inhibitions, cases, risks.

Whatever changes something becomes an entry of the alert log; the answer says what the log's order
made of it. `by` is who proved to be somebody; where nobody is asked, what the caller says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

import msgspec

from summit.alerts.alert import Alert, alert_dict
from summit.alerts.desk import Decision
from summit.alerts.desk_state import Audit, Case, read_status
from summit.alerts.entries import (
    Acknowledge,
    AddComment,
    AddInhibition,
    AddSilence,
    AnyEntry,
    Assign,
    CloseCase,
    LiftSilence,
    OpenCase,
    RemoveInhibition,
    Resolve,
)
from summit.alerts.matchers import read_matchers
from summit.alerts.severity import severity_rank
from summit.alerts.view import AlertPage, AlertQuery
from summit.base.config import suggestion
from summit.base.errors import Invalid
from summit.base.units import parse_duration_ms
from summit.events.times import epoch_ms
from summit.services.node import Node
from summit.services.pages import LIMIT_DEFAULT, LIMIT_MAX, Limit
from summit.services.parameters import Flag, TimeText, time_parameter
from summit.services.permission import acting
from summit.services.streams import (
    LAST_EVENT_ID,
    STREAM_TEXT,
    StreamCursor,
    cursor_of,
    place_of,
)
from summit.web import Operation, Request, Response, Routes

_ALERTS, _CASES, _MUTING = "alerts", "cases", "silences"


class AlertFilter(msgspec.Struct, frozen=True):
    """Which alerts: all filters must hold."""

    severity: str | None = None
    status: str | None = None
    pattern: str | None = None
    key: str | None = None
    entity: Annotated[str, msgspec.Meta(description="`field=value` of its key.")] | None = None
    q: (
        Annotated[
            str,
            msgspec.Meta(
                max_length=1_000,
                description='Words (or their beginnings) and "phrases", all of it',
            ),
        ]
        | None
    ) = None
    since: TimeText | None = None
    until: TimeText | None = None
    limit: Limit = LIMIT_DEFAULT
    cursor: str | None = None


class AlertStreamFilter(msgspec.Struct, frozen=True):
    """Which alerts are told of: all filters must hold."""

    severity: str | None = None
    pattern: str | None = None
    key: str | None = None
    history: Annotated[int, msgspec.Meta(ge=0, le=LIMIT_MAX, description="So many come first.")] = 0
    changes: Annotated[Flag, msgspec.Meta(description="What becomes of alerts, too.")] = True
    cursor: StreamCursor | None = None


class CaseFilter(msgspec.Struct, frozen=True):
    """Which cases."""

    state: Literal["open", "closed"] | None = None
    entity: str | None = None
    limit: Limit = LIMIT_DEFAULT


class Top(msgspec.Struct, frozen=True):
    """How many."""

    limit: Limit = LIMIT_DEFAULT


class AuditFilter(msgspec.Struct, frozen=True):
    """Which changes: of what, by whom."""

    of: str | None = None
    by: str | None = None
    limit: Limit = LIMIT_DEFAULT


class Who(msgspec.Struct, frozen=True):
    """Who does it."""

    by: Annotated[str, msgspec.Meta(description="Who, where nothing proves it.")] = ""


class AlertList(TypedDict):
    """Alerts, newest first, each with what has become of it."""

    alerts: list[dict[str, Any]]
    count: int
    nextCursor: NotRequired[str]


class History(TypedDict):
    """Who did what to something, in the log's order."""

    history: list[Audit]
    count: int


def _body(needed: tuple[str, ...], **members: Any) -> dict[str, Any]:
    properties = {name: {"type": "string"} for name in needed}
    for name in needed:
        properties[name]["minLength"] = 1  # type: ignore[assignment]
    return {
        "type": "object", "required": list(needed), "properties": {**properties, **members},
        "additionalProperties": False,
    }  # fmt: skip


_TEXT: Final = {"type": ["string", "null"]}
_WORK_BODIES: Final = {
    "acknowledge": _body(("by",), note=_TEXT), "resolve": _body(("by",), note=_TEXT),
    "comment": _body(("by", "text")), "assign": _body(("by",), to=_TEXT),
    "close": _body(("by",), reason=_TEXT),
}  # fmt: skip
_SILENCE_BODY: Final = _body(
    ("by",), matchers={}, reason=_TEXT, duration={"type": ["string", "integer", "null"]},
    until={"type": ["string", "integer", "null"]},
)  # fmt: skip
_INHIBIT_BODY: Final = _body(("by",), source={}, target={}, reason=_TEXT)
_CASE_BODY: Final = _body(
    ("by",), title=_TEXT, entity=_TEXT, alerts={"type": "array", "items": {"type": "string"}}
)


class AlertRoutes:
    """Handlers of the routes.

    Args:
        node: Its views, and its alert log.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def add_to(self, routes: Routes) -> None:
        """Put the routes into the table."""
        self._add_alerts(routes)
        self._add_muting(routes)
        self._add_cases(routes)

    def _add_alerts(self, routes: Routes) -> None:
        routes.get("/api/alerts", self._list, Operation("Find alerts", _ALERTS, query=AlertFilter))
        routes.get(
            "/api/alerts/stream", self._stream,
            Operation(
                "Follow alerts", _ALERTS, STREAM_TEXT, query=AlertStreamFilter,
                media=("text/event-stream",), headers=LAST_EVENT_ID,
            ),
        )  # fmt: skip
        routes.get("/api/alerts/{id}", self._show, Operation("Show an alert", _ALERTS))
        routes.get(
            "/api/alerts/{id}/history", self._history,
            Operation("Show what was done about an alert", _ALERTS),
        )  # fmt: skip
        for name, make in _ALERT_WORK.items():
            routes.post(
                f"/api/alerts/{{id}}/{name}", self._work(make),
                Operation(
                    f"{name.capitalize()} an alert".replace("Comment", "Comment on"), _ALERTS,
                    body_schema=_WORK_BODIES[name], problems=(409,),
                ),
            )  # fmt: skip

    def _add_muting(self, routes: Routes) -> None:
        routes.get("/api/silences", self._silences, Operation("List the silences", _MUTING))
        routes.post(
            "/api/silences", self._silence,
            Operation("Silence alerts for a time", _MUTING, body_schema=_SILENCE_BODY),
        )  # fmt: skip
        routes.delete(
            "/api/silences/{id}", self._remove(LiftSilence),
            Operation("Lift a silence", _MUTING, query=Who, problems=(409,)),
        )  # fmt: skip
        routes.get(
            "/api/inhibitions", self._inhibitions, Operation("List the inhibitions", _MUTING)
        )
        routes.post(
            "/api/inhibitions", self._inhibit,
            Operation("Let alerts mute others", _MUTING, body_schema=_INHIBIT_BODY),
        )  # fmt: skip
        routes.delete(
            "/api/inhibitions/{id}", self._remove(RemoveInhibition),
            Operation("Remove an inhibition", _MUTING, query=Who, problems=(409,)),
        )  # fmt: skip

    def _add_cases(self, routes: Routes) -> None:
        routes.get("/api/cases", self._cases, Operation("List cases", _CASES, query=CaseFilter))
        routes.post(
            "/api/cases", self._open_case,
            Operation("Open a case", _CASES, body_schema=_CASE_BODY, problems=(404, 409)),
        )  # fmt: skip
        routes.get("/api/cases/{id}", self._case, Operation("Show a case", _CASES))
        for name, make in _CASE_WORK.items():
            routes.post(
                f"/api/cases/{{id}}/{name}", self._work(make, of_case=True),
                Operation(
                    f"{name.capitalize()} a case".replace("Comment", "Comment on"), _CASES,
                    body_schema=_WORK_BODIES[name], problems=(409,),
                ),
            )  # fmt: skip
        routes.get("/api/risks", self._risks, Operation("List entities by risk", _CASES, query=Top))
        routes.get("/api/audit", self._audit, Operation("List changes", "audit", query=AuditFilter))

    # ---- alerts ----

    async def _list(self, request: Request) -> AlertList:
        given = request.query_as(AlertFilter)
        severity, status = given.severity, given.status
        query = AlertQuery(
            severity=None if severity is None else severity.lower(),
            pattern=given.pattern,
            key=given.key,
            entity=given.entity,
            text=given.q,
            since_ms=time_parameter(request, "since"),
            until_ms=time_parameter(request, "until"),
            limit=given.limit,
            before=given.cursor,
        )
        page = await self._page(query, status)
        if any(self._node.desk.desk.find(alert.id) is None for alert in page.alerts):
            await self._node.desk.catch_up(self._node.admin)
            page = await self._page(query, status)
        shown = [self._shown(alert) for alert in page.alerts]
        reply: AlertList = {"alerts": shown, "count": len(shown)}
        if page.next_cursor is not None:
            reply["nextCursor"] = page.next_cursor
        return reply

    async def _stream(self, request: Request) -> Response:
        given = request.query_as(AlertStreamFilter)
        if given.severity is not None:
            severity_rank(given.severity.lower())
        wanted = AlertQuery(
            severity=None if given.severity is None else given.severity.lower(),
            pattern=given.pattern, key=given.key, limit=given.history,
        )  # fmt: skip
        events = self._node.live_alerts.events(
            wanted, after=cursor_of(request, place_of), changes=given.changes
        )
        return self._node.streams.answer(request, events)

    async def _show(self, request: Request) -> dict[str, Any]:
        alert = self._node.index.get(request.path_params["id"])
        if alert is None:
            raise Invalid("alert.unknown")
        if self._node.desk.desk.find(alert.id) is None:
            await self._node.desk.catch_up(self._node.admin)
        return self._shown(alert)

    async def _history(self, request: Request) -> History:
        name = request.path_params["id"]
        history = self._node.desk.desk.history(name)
        if not history and self._node.index.get(name) is None:
            raise Invalid("alert.unknown")
        return {"history": history, "count": len(history)}

    async def _page(self, query: AlertQuery, status: str | None) -> AlertPage:
        desk, now_ms = self._node.desk.desk, self._node.clock.now_ms()
        if status is None:
            return await self._node.index.search(query)
        wanted = read_status(status)
        return await self._node.index.search(
            query, lambda name: desk.status_of(name, now_ms) in wanted
        )

    def _shown(self, alert: Alert) -> dict[str, Any]:
        """An alert and what has become of it, the same in lists and alone."""
        became = self._node.desk.desk.describe(alert.id, self._node.clock.now_ms())
        return {**alert_dict(alert), **became}

    def _work(
        self, make: Callable[[str, Body], AnyEntry], *, of_case: bool = False
    ) -> Callable[[Request], Any]:
        async def handle(request: Request) -> dict[str, Any]:
            name = request.path_params["id"]
            if (name in self._node.desk.desk.state.cases) is not of_case:
                self._refuse(name, of_case=of_case)
            body = Body(await request.read_json(), acting(request))
            entry = make(name, body)
            body.refuse_rest()
            return self._told(await self._node.desk.write(entry))

        return handle

    def _refuse(self, name: str, *, of_case: bool) -> None:
        """Neither route does the other's work; what is no case is the alert log's to refuse."""
        if of_case:
            raise Invalid("alert.case_unknown", id=name)
        raise Invalid("alert.unknown")

    def _told(self, decision: Decision) -> dict[str, Any]:
        desk = self._node.desk.desk
        case = desk.state.cases.get(decision.id)
        if case is not None:
            return _case_dict(case)
        return {"id": decision.id, **desk.describe(decision.id, self._node.clock.now_ms())}

    # ---- silences and inhibitions ----

    async def _silences(self, request: Request) -> dict[str, Any]:
        now_ms = self._node.clock.now_ms()
        found = [s for s in self._node.desk.desk.state.silences.values() if now_ms < s.until]
        return {"silences": msgspec.to_builtins(found), "count": len(found)}

    async def _silence(self, request: Request) -> dict[str, Any]:
        body = Body(await request.read_json(), acting(request))
        matchers = read_matchers(body.take("matchers"))
        until = body.until(self._node.clock.now_ms())
        entry = AddSilence(
            by=body.text("by"), matchers=matchers, until=until, reason=body.text("reason", "")
        )
        body.refuse_rest()
        decision = await self._node.desk.write(entry)
        return {"status": "silenced", "id": decision.id, "until": until}

    async def _inhibitions(self, request: Request) -> dict[str, Any]:
        found = list(self._node.desk.desk.state.inhibitions.values())
        return {"inhibitions": msgspec.to_builtins(found), "count": len(found)}

    async def _inhibit(self, request: Request) -> dict[str, Any]:
        body = Body(await request.read_json(), acting(request))
        entry = AddInhibition(
            by=body.text("by"),
            source=read_matchers(body.take("source"), "/source"),
            target=read_matchers(body.take("target"), "/target"),
            reason=body.text("reason", ""),
        )
        body.refuse_rest()
        decision = await self._node.desk.write(entry)
        return {"status": "inhibits", "id": decision.id}

    def _remove(self, make: type[LiftSilence] | type[RemoveInhibition]) -> Callable[[Request], Any]:
        async def handle(request: Request) -> dict[str, Any]:
            by = acting(request) or request.query_as(Who).by
            if not by:
                raise Invalid("web.parameter", name="by", text="", expected="who", pointer="by")
            decision = await self._node.desk.write(make(by=by, id=request.path_params["id"]))
            return {"status": "removed", "id": decision.id}

        return handle

    # ---- cases, risks, audit ----

    async def _cases(self, request: Request) -> dict[str, Any]:
        query = request.query_as(CaseFilter)
        state, entity, limit = query.state, query.entity, query.limit
        found = [
            case
            for case in reversed(self._node.desk.desk.state.cases.values())
            if state in (None, case.state) and (entity is None or entity in case.entities)
        ]
        return {"cases": [_case_dict(case) for case in found[:limit]], "count": len(found)}

    async def _case(self, request: Request) -> dict[str, Any]:
        desk = self._node.desk.desk
        case = desk.state.cases.get(request.path_params["id"])
        if case is None:
            raise Invalid("alert.case_unknown", id=request.path_params["id"])
        return {**_case_dict(case), "history": msgspec.to_builtins(desk.history(case.id))}

    async def _open_case(self, request: Request) -> dict[str, Any]:
        body = Body(await request.read_json(), acting(request))
        entity = body.text("entity", "")
        entry = OpenCase(
            by=body.text("by"), title=body.text("title", ""), entity=entity or None,
            alerts=body.texts("alerts"),
        )  # fmt: skip
        body.refuse_rest()
        return self._told(await self._node.desk.write(entry))

    async def _risks(self, request: Request) -> dict[str, Any]:
        limit = request.query_as(Top).limit
        desk = self._node.desk.desk
        found: list[dict[str, Any]] = [
            {
                "entity": entity, "score": round(desk.risk(entity, risk.at), 3), "at": risk.at,
                "now": round(desk.risk(entity, self._node.clock.now_ms()), 3),
                "alerts": risk.alerts, "tactics": risk.tactics,
            }
            for entity, risk in desk.state.risks.items()
        ]  # fmt: skip
        found.sort(key=lambda each: (-each["now"], -each["score"], each["entity"]))
        return {"risks": found[:limit], "count": len(found)}

    async def _audit(self, request: Request) -> dict[str, Any]:
        query = request.query_as(AuditFilter)
        of, by, limit = query.of, query.by, query.limit
        desk = self._node.desk.desk
        found = [
            each
            for each in reversed(desk.state.audit)
            if of in (None, each.of) and by in (None, each.by)
        ]
        return {
            "audit": msgspec.to_builtins(found[:limit]), "count": len(found),
            "counters": desk.state.counters,
        }  # fmt: skip


class Body:
    """A JSON object that was posted, taken member by member; what is left over is refused."""

    def __init__(self, values: Any, by: str | None = None) -> None:
        if not isinstance(values, dict):
            raise Invalid("web.json_invalid", reason="expected an object", pointer="")
        self._values: dict[str, Any] = {**values} if by is None else {**values, "by": by}
        self._known: list[str] = []

    def take(self, name: str) -> Any:
        """A member as it is; None when it is missing."""
        self._known.append(name)
        return self._values.pop(name, None)

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty. Raises Invalid("web.json_invalid")."""
        value = self.take(name)
        if value is None and default is not None:
            return default
        if value is None:
            raise _missing(name)
        if not isinstance(value, str) or not (value or default is not None):
            raise _wrong(name, "expected a text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; none when it is missing. Raises Invalid("web.json_invalid")."""
        value = self.take(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise _wrong(name, "expected a list of texts")
        return tuple(value)

    def until(self, now_ms: int) -> int:
        """The end of a silence: `until` (a time) or `duration`. Raises Invalid."""
        until, duration = self.take("until"), self.take("duration")
        if (until is None) == (duration is None):
            raise _wrong("duration", "expected either 'duration' or 'until'")
        if duration is not None:
            return now_ms + parse_duration_ms(duration)
        at = epoch_ms(until)
        if at is None:
            raise _wrong("until", "expected epoch milliseconds or RFC 3339 text")
        return at

    def refuse_rest(self) -> None:
        """Refuse members that nobody took. Raises Invalid("web.json_invalid")."""
        for name in self._values:
            raise _wrong(name, f"unknown member '{name}'{suggestion(name, self._known)}")


def _case_dict(case: Case) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(case)
    return plain


def _missing(name: str) -> Invalid:
    return _wrong(name, f"'{name}' is needed")


def _wrong(name: str, reason: str) -> Invalid:
    return Invalid("web.json_invalid", reason=reason, pointer=f"/{name}")


def _comment(name: str, body: Body) -> AnyEntry:
    return AddComment(by=body.text("by"), id=name, text=body.text("text"))


def _assign(name: str, body: Body) -> AnyEntry:
    return Assign(by=body.text("by"), id=name, to=body.text("to", "") or None)


_ALERT_WORK: Final[dict[str, Callable[[str, Body], AnyEntry]]] = {
    "acknowledge": lambda name, body: Acknowledge(
        by=body.text("by"), id=name, note=body.text("note", "")
    ),
    "resolve": lambda name, body: Resolve(by=body.text("by"), id=name, note=body.text("note", "")),
    "comment": _comment,
    "assign": _assign,
}
_CASE_WORK: Final[dict[str, Callable[[str, Body], AnyEntry]]] = {
    "close": lambda name, body: CloseCase(
        by=body.text("by"), id=name, reason=body.text("reason", "")
    ),
    "comment": _comment,
    "assign": _assign,
}
