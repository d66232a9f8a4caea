"""Cases at the alert desk: alerts about one entity gathered, from the first to the closing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from summit.alerts.desk_state import AlertState, Case
from summit.alerts.entries import CloseCase, OpenCase
from summit.base.errors import Conflict, Invalid
from summit.base.limits import DESK_CASE_ALERTS_MAX, DESK_CASES_MAX
from summit.events.severities import SEVERITY_RANK

if TYPE_CHECKING:
    from summit.alerts.desk import AlertDesk


def join(desk: AlertDesk, alert: AlertState, risks: Mapping[str, float]) -> None:
    """Put an alert into the open case of one of its entities; open one where the risk is high.

    Args:
        risks: The risk of each of its entities, this alert counted.
    """
    if alert.case is not None:
        return
    for entity in alert.entities:
        case = _open_case_of(desk, entity)
        if case is not None:
            _add(desk, case, alert)
            return
    for entity, risk in risks.items():
        if risk >= desk.settings.case_risk:
            case = _open(desk, f"{entity}: {alert.title}", [entity], by="summit")
            _add(desk, case, alert)
            return


def open_case(desk: AlertDesk, entry: OpenCase) -> str:
    """A case opened by hand.

    Raises: Invalid("alert.unknown", "alert.case_empty", "alert.entity_invalid");
        Conflict("alert.case_open") when one of the entities has an open case.
    """
    alerts = [find_alert(desk, name) for name in entry.alerts]
    entities = [] if entry.entity is None else [_entity(entry.entity)]
    entities += [entity for alert in alerts for entity in alert.entities]
    entities = list(dict.fromkeys(entities))
    if not entities:
        raise Invalid("alert.case_empty")
    for entity in entities:
        known = _open_case_of(desk, entity)
        if known is not None:
            raise Conflict("alert.case_open", id=known.id, entity=entity)
    title = entry.title or (alerts[0].title if alerts else entities[0])
    case = _open(desk, title, entities, by=desk.by)
    if not alerts:
        alerts = [alert for alert in desk.open.about(entities) if alert.case is None]
    for alert in alerts:
        _add(desk, case, alert)
    return case.id


def _entity(text: str) -> str:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise Invalid("alert.entity_invalid", entity=text[:80])
    return text


def close_case(desk: AlertDesk, entry: CloseCase) -> str:
    """Close a case; its entities begin anew, without risk.

    Raises: Invalid("alert.case_unknown"); Conflict("alert.case_closed").
    """
    case = case_of(desk, entry.id)
    if case.state == "closed":
        raise Conflict("alert.case_closed", id=case.id, by=case.closed_by)
    case.state = "closed"
    case.closed_at = desk.state.now_ms
    case.closed_by = desk.by
    case.close_reason = entry.reason
    for entity in case.entities:
        desk.state.risks.pop(entity, None)
    desk.note("closeCase", case.id, {"state": "open"}, {"state": "closed"}, note=entry.reason)
    return case.id


def find_alert(desk: AlertDesk, alert_id: str) -> AlertState:
    """An alert; for a duplicate the one that took it in. Raises Invalid("alert.unknown")."""
    alert = desk.find(alert_id)
    if alert is None:
        raise Invalid("alert.unknown")
    return alert


def case_of(desk: AlertDesk, case_id: str) -> Case:
    """A case. Raises Invalid("alert.case_unknown")."""
    case = desk.state.cases.get(case_id)
    if case is None:
        raise Invalid("alert.case_unknown", id=case_id)
    return case


def _open_case_of(desk: AlertDesk, entity: str) -> Case | None:
    case = desk.state.cases.get(desk.state.last_case.get(entity, ""))
    return case if case is not None and case.state == "open" else None


def _open(desk: AlertDesk, title: str, entities: list[str], *, by: str) -> Case:
    state = desk.state
    state.made["case"] = state.made.get("case", 0) + 1
    case = Case(
        id=f"case-{state.made['case']}", title=title, entities=entities,
        opened_at=state.now_ms, opened_by=by, previous=state.last_case.get(entities[0]),
    )  # fmt: skip
    state.cases[case.id] = case
    for entity in entities:
        state.last_case[entity] = case.id
    desk.note("openCase", case.id, {}, {"state": "open", "entities": entities}, by=by)
    _evict(desk)
    return case


def _add(desk: AlertDesk, case: Case, alert: AlertState) -> None:
    if alert.case == case.id:
        return
    before, alert.case = alert.case, case.id
    left = desk.state.cases.get(before or "")
    if left is not None and left.state == "open":  # a closed one keeps what it was about
        left.alert_count -= 1
        if alert.id in left.alerts:
            left.alerts.remove(alert.id)
    case.alert_count += 1
    if len(case.alerts) < DESK_CASE_ALERTS_MAX:
        case.alerts.append(alert.id)
    if SEVERITY_RANK.get(alert.severity, 0) > SEVERITY_RANK[case.severity]:
        case.severity = alert.severity
    desk.note("joinCase", alert.id, {"case": before}, {"case": case.id}, by="summit")


def _evict(desk: AlertDesk) -> None:
    """Beyond the bound the first closed case goes, else the first one."""
    state = desk.state
    while len(state.cases) > DESK_CASES_MAX:
        closed = next((case for case in state.cases.values() if case.state == "closed"), None)
        gone = closed or next(iter(state.cases.values()))
        del state.cases[gone.id]
        for entity in gone.entities:
            if state.last_case.get(entity) == gone.id:
                del state.last_case[entity]
        desk.count("casesEvicted")
