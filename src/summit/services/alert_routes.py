"""The routes of alerts and what is done about them: states, silences, inhibitions, cases, risks.

Whatever changes something becomes an entry of the alert log; the answer says what the log's order
made of it. `by` is who proved to be somebody; where nobody is asked, what the caller says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from summit.alerts.alert import Alert, alert_dict
from summit.alerts.desk import Decision
from summit.alerts.desk_state import Case, read_status
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
from summit.alerts.view import AlertPage, AlertQuery
from summit.base.config import suggestion
from summit.base.errors import Invalid
from summit.base.units import parse_duration_ms
from summit.events.times import epoch_ms
from summit.services.node import Node
from summit.services.parameters import refuse_unknown, time_parameter
from summit.services.permission import acting
from summit.web import Request, Routes, int_parameter

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1_000
_FILTERS: Final = (
    "severity", "status", "pattern", "key", "q", "since", "until", "limit", "cursor",
)  # fmt: skip


class AlertRoutes:
    """Handlers of the routes.

    Args:
        node: Its views, and its alert log.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def add_to(self, routes: Routes) -> None:
        """Put the routes into the table."""
        routes.get("/api/alerts", self._list)
        routes.get("/api/alerts/{id}", self._show)
        routes.get("/api/alerts/{id}/history", self._history)
        for name, make in _ALERT_WORK.items():
            routes.post(f"/api/alerts/{{id}}/{name}", self._work(make))
        routes.get("/api/silences", self._silences)
        routes.post("/api/silences", self._silence)
        routes.delete("/api/silences/{id}", self._remove(LiftSilence))
        routes.get("/api/inhibitions", self._inhibitions)
        routes.post("/api/inhibitions", self._inhibit)
        routes.delete("/api/inhibitions/{id}", self._remove(RemoveInhibition))
        routes.get("/api/cases", self._cases)
        routes.post("/api/cases", self._open_case)
        routes.get("/api/cases/{id}", self._case)
        for name, make in _CASE_WORK.items():
            routes.post(f"/api/cases/{{id}}/{name}", self._work(make, of_case=True))
        routes.get("/api/risks", self._risks)
        routes.get("/api/audit", self._audit)

    # ---- alerts ----

    async def _list(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request, *_FILTERS)
        parameters = request.query_params
        severity = parameters.get("severity")
        query = AlertQuery(
            severity=None if severity is None else severity.lower(),
            pattern=parameters.get("pattern"),
            key=parameters.get("key"),
            text=parameters.get("q"),
            since_ms=time_parameter(request, "since"),
            until_ms=time_parameter(request, "until"),
            limit=int_parameter(request, "limit", LIMIT_DEFAULT, least=1, most=LIMIT_MAX),
            before=parameters.get("cursor"),
        )
        status = parameters.get("status")
        page = self._page(query, status)
        if any(self._node.desk.desk.find(alert.id) is None for alert in page.alerts):
            await self._node.desk.catch_up(self._node.admin)
            page = self._page(query, status)
        shown = [self._shown(alert) for alert in page.alerts]
        reply: dict[str, Any] = {"alerts": shown, "count": len(shown)}
        if page.next_cursor is not None:
            reply["nextCursor"] = page.next_cursor
        return reply

    async def _show(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request)
        alert = self._node.alerts.view.get(request.path_params["id"])
        if alert is None:
            raise Invalid("alert.unknown")
        if self._node.desk.desk.find(alert.id) is None:
            await self._node.desk.catch_up(self._node.admin)
        return self._shown(alert)

    async def _history(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request)
        name = request.path_params["id"]
        history = msgspec.to_builtins(self._node.desk.desk.history(name))
        if not history and self._node.alerts.view.get(name) is None:
            raise Invalid("alert.unknown")
        return {"history": history, "count": len(history)}

    def _page(self, query: AlertQuery, status: str | None) -> AlertPage:
        desk, now_ms = self._node.desk.desk, self._node.clock.now_ms()
        if status is None:
            return self._node.alerts.view.query(query)
        wanted = read_status(status)
        return self._node.alerts.view.query(
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
            refuse_unknown(request)
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
        refuse_unknown(request)
        now_ms = self._node.clock.now_ms()
        found = [s for s in self._node.desk.desk.state.silences.values() if now_ms < s.until]
        return {"silences": msgspec.to_builtins(found), "count": len(found)}

    async def _silence(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request)
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
        refuse_unknown(request)
        found = list(self._node.desk.desk.state.inhibitions.values())
        return {"inhibitions": msgspec.to_builtins(found), "count": len(found)}

    async def _inhibit(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request)
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
            refuse_unknown(request, "by")
            by = acting(request) or request.query_params.get("by", "")
            if not by:
                raise _missing("by")
            decision = await self._node.desk.write(make(by=by, id=request.path_params["id"]))
            return {"status": "removed", "id": decision.id}

        return handle

    # ---- cases, risks, audit ----

    async def _cases(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request, "state", "entity", "limit")
        state, entity = (request.query_params.get(name) for name in ("state", "entity"))
        if state not in (None, "open", "closed"):
            raise Invalid(
                "web.parameter", name="state", text=state, expected="open or closed",
                pointer="state",
            )  # fmt: skip
        limit = int_parameter(request, "limit", LIMIT_DEFAULT, least=1, most=LIMIT_MAX)
        found = [
            case
            for case in reversed(self._node.desk.desk.state.cases.values())
            if state in (None, case.state) and (entity is None or entity in case.entities)
        ]
        return {"cases": [_case_dict(case) for case in found[:limit]], "count": len(found)}

    async def _case(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request)
        desk = self._node.desk.desk
        case = desk.state.cases.get(request.path_params["id"])
        if case is None:
            raise Invalid("alert.case_unknown", id=request.path_params["id"])
        return {**_case_dict(case), "history": msgspec.to_builtins(desk.history(case.id))}

    async def _open_case(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request)
        body = Body(await request.read_json(), acting(request))
        entity = body.text("entity", "")
        entry = OpenCase(
            by=body.text("by"), title=body.text("title", ""), entity=entity or None,
            alerts=body.texts("alerts"),
        )  # fmt: skip
        body.refuse_rest()
        return self._told(await self._node.desk.write(entry))

    async def _risks(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request, "limit")
        limit = int_parameter(request, "limit", LIMIT_DEFAULT, least=1, most=LIMIT_MAX)
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
        refuse_unknown(request, "of", "by", "limit")
        of, by = (request.query_params.get(name) for name in ("of", "by"))
        limit = int_parameter(request, "limit", LIMIT_DEFAULT, least=1, most=LIMIT_MAX)
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
