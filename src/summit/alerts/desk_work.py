"""What people do at the alert desk: acknowledge, resolve, comment, assign, and be told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from summit.alerts import desk_cases, desk_muting
from summit.alerts.desk_cases import find_alert
from summit.alerts.desk_state import AlertState, Case, Comment, Tally
from summit.alerts.entries import (
    Acknowledge,
    AddComment,
    AddInhibition,
    AddSilence,
    AnyEntry,
    Assign,
    CloseCase,
    Escalated,
    LiftSilence,
    Notified,
    OpenCase,
    RemoveInhibition,
    Resolve,
    Tell,
)
from summit.base.errors import Conflict, Invalid
from summit.base.limits import (
    ALERT_COMMENT_CHARS_MAX,
    ALERT_TOLD_MAX,
    DESK_CHANNELS_MAX,
    DESK_COMMENTS_MAX,
)

if TYPE_CHECKING:
    from summit.alerts.desk import AlertDesk


def do(desk: AlertDesk, entry: AnyEntry) -> str:
    """Do what an entry asks for; returns the id of what it is about. Raises Invalid, Conflict."""
    for name in ("note", "text", "reason", "title"):
        if len(getattr(entry, name, "")) > ALERT_COMMENT_CHARS_MAX:
            raise Invalid("alert.text_too_long", name=name, max=ALERT_COMMENT_CHARS_MAX)
    return _WORK[type(entry)](desk, entry)


def _acknowledge(desk: AlertDesk, entry: Acknowledge) -> str:
    alert = find_alert(desk, entry.id)
    if alert.state == "acknowledged" and alert.acknowledged_by == desk.by:
        return alert.id  # the same said twice
    _insist_firing(alert)
    alert.state = "acknowledged"
    alert.acknowledged_by, alert.acknowledged_at = desk.by, desk.state.now_ms
    _moved(desk, "acknowledge", alert, "firing", entry.note)
    return alert.id


def _insist_firing(alert: AlertState) -> None:
    if alert.state != "firing":
        by = alert.acknowledged_by if alert.state == "acknowledged" else alert.resolved_by
        raise Conflict("alert.not_firing", id=alert.id, state=alert.state, by=by)


def _resolve(desk: AlertDesk, entry: Resolve) -> str:
    alert = find_alert(desk, entry.id)
    if alert.state == "resolved":
        if alert.resolved_by == desk.by:
            return alert.id
        raise Conflict("alert.not_firing", id=alert.id, state=alert.state, by=alert.resolved_by)
    end(desk, alert, note=entry.note)
    return alert.id


def end(desk: AlertDesk, alert: AlertState, *, note: str) -> None:
    """Resolve an open alert."""
    before, alert.state = alert.state, "resolved"
    alert.resolved_by, alert.resolved_at = desk.by, desk.state.now_ms
    alert.inhibited_by = None
    desk.open.remove(alert)
    desk.state.closed[alert.id] = None
    _moved(desk, "resolve", alert, before, note)
    desk_muting.unmute_others(desk, alert)


def _moved(desk: AlertDesk, what: str, alert: AlertState, before: str, note: str) -> None:
    desk.note(what, alert.id, {"state": before}, {"state": alert.state}, note=note)


def _comment(desk: AlertDesk, entry: AddComment) -> str:
    found = _alert_or_case(desk, entry.id)
    if len(found.comments) >= DESK_COMMENTS_MAX:
        raise Conflict("alert.too_many", what="comments", max=DESK_COMMENTS_MAX)
    if not entry.text:
        raise Invalid("alert.comment_empty")
    comment = Comment(by=desk.by, at=desk.state.now_ms, text=entry.text)
    found.comments = [*found.comments, comment]
    desk.note("comment", found.id, {}, {"comments": len(found.comments)}, note=entry.text)
    return found.id


def _assign(desk: AlertDesk, entry: Assign) -> str:
    found = _alert_or_case(desk, entry.id)
    before, found.assignee = found.assignee, entry.to
    desk.note("assign", found.id, {"assignee": before}, {"assignee": entry.to})
    return found.id


def _alert_or_case(desk: AlertDesk, name: str) -> AlertState | Case:
    return desk.state.cases.get(name) or find_alert(desk, name)


def _escalated(desk: AlertDesk, entry: Escalated) -> str:
    alert = find_alert(desk, entry.id)
    _insist_firing(alert)
    if entry.level <= alert.escalation_level:  # another process was first
        raise Conflict("alert.escalated", level=alert.escalation_level)
    before, alert.escalation_level = alert.escalation_level, entry.level
    alert.escalated_at = desk.state.now_ms
    desk.note("escalated", alert.id, {"level": before}, {"level": entry.level})
    return alert.id


def _notified(desk: AlertDesk, entry: Notified) -> str:
    _tally(desk, entry)
    now_ms = desk.state.now_ms
    before = None
    if entry.id:
        alert = find_alert(desk, entry.id)
        if entry.delivered:
            alert.notifications_sent += 1
        else:
            alert.notifications_failed += 1
        told = f"{entry.channel}/{entry.action}"
        if told in alert.told or len(alert.told) < ALERT_TOLD_MAX:
            became = "delivered" if entry.delivered else entry.reason or "not delivered"
            alert.told = {**alert.told, told: became}
        before, alert.notified_at = alert.notified_at, now_ms
    after = {
        "notifiedAt": now_ms, "channel": entry.channel, "action": entry.action,
        "delivered": entry.delivered, "level": entry.level, "request": entry.request,
    }  # fmt: skip
    desk.note("notified", entry.id, {"notifiedAt": before}, after, note=entry.reason)
    return entry.id


def _tally(desk: AlertDesk, entry: Notified) -> None:
    channels = desk.state.channels
    tally = channels.pop(entry.channel, None) or Tally()
    channels[entry.channel] = tally  # the one unheard of for longest is the first
    if len(channels) > DESK_CHANNELS_MAX:
        del channels[next(iter(channels))]
        desk.count("channelsEvicted")
    if entry.delivered:
        tally.sent += 1
        tally.last_sent_at = desk.state.now_ms
    else:
        tally.failed += 1
        tally.last_error, tally.last_error_at = entry.reason, desk.state.now_ms


def _tell(desk: AlertDesk, entry: Tell) -> str:
    about = find_alert(desk, entry.id).id if entry.id else ""
    desk.note("tell", about, {}, {"channel": entry.channel})
    return about


_WORK: Final[dict[type, Callable[[Any, Any], str]]] = {
    Acknowledge: _acknowledge,
    Resolve: _resolve,
    AddComment: _comment,
    Assign: _assign,
    AddSilence: desk_muting.add_silence,
    LiftSilence: desk_muting.lift_silence,
    AddInhibition: desk_muting.add_inhibition,
    RemoveInhibition: desk_muting.remove_inhibition,
    OpenCase: desk_cases.open_case,
    CloseCase: desk_cases.close_case,
    Escalated: _escalated,
    Notified: _notified,
    Tell: _tell,
}
