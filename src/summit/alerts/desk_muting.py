"""Muting at the alert desk: silences for a time, inhibitions while another alert is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from summit.alerts.desk_state import AlertState, Inhibition, Silence
from summit.alerts.entries import AddInhibition, AddSilence, LiftSilence, RemoveInhibition
from summit.alerts.matchers import Matchers
from summit.base.errors import Conflict, Invalid
from summit.base.limits import DESK_INHIBITIONS_MAX, DESK_SILENCES_MAX

if TYPE_CHECKING:
    from summit.alerts.desk import AlertDesk


def mute(desk: AlertDesk, alert: AlertState) -> None:
    """Ask silences and inhibitions about an alert that fires."""
    now_ms = desk.state.now_ms
    alert.silences = [
        silence.id
        for silence in desk.state.silences.values()
        if now_ms < silence.until and _means(silence.matchers, alert)
    ]
    alert.inhibited_by = _inhibitor(desk, alert)
    if alert.silences:
        desk.count("silenced")
    elif alert.inhibited_by is not None:
        desk.count("inhibited")


def mute_others(desk: AlertDesk, source: AlertState, changed: set[str] | None = None) -> None:
    """Let an alert that fires, or is muted no more, mute those that inhibitions name."""
    if source.inhibited_by is not None:
        return
    changed = set() if changed is None else changed
    for inhibition in desk.state.inhibitions.values():
        if not _means(inhibition.source, source):
            continue
        for other in list(desk.open.about(source.entities)):
            if other.inhibited_by is None and _inhibits(inhibition, source, other):
                _set_inhibitor(desk, other, source.id, changed)


def unmute_others(desk: AlertDesk, source: AlertState, changed: set[str] | None = None) -> None:
    """An alert is over, muted or forgotten: what it muted is muted by another, or by none."""
    changed = set() if changed is None else changed
    for other in list(desk.open.about(source.entities)):
        if other.inhibited_by == source.id:
            _set_inhibitor(desk, other, _inhibitor(desk, other), changed)


def end_silences(desk: AlertDesk) -> None:
    """Take silences away whose time is over."""
    state = desk.state
    for silence in list(state.silences.values()):
        if silence.until <= state.now_ms:
            del state.silences[silence.id]
            desk.note("silenceEnded", silence.id, {"until": silence.until}, {}, note=silence.reason)


def add_silence(desk: AlertDesk, entry: AddSilence) -> str:
    """A new silence. Raises Invalid("alert.silence_over"), Conflict("alert.too_many")."""
    state = desk.state
    if entry.until <= state.now_ms:
        raise Invalid("alert.silence_over", until=entry.until, now=state.now_ms)
    if len(state.silences) >= DESK_SILENCES_MAX:
        raise Conflict("alert.too_many", what="silences", max=DESK_SILENCES_MAX)
    name = _new_id(desk, "silence")
    silence = Silence(
        id=name, matchers=entry.matchers, since=state.now_ms, until=entry.until,
        reason=entry.reason, by=desk.by,
    )  # fmt: skip
    state.silences[name] = silence
    for alert in state.alerts.values():
        if alert.is_open and _means(silence.matchers, alert):
            alert.silences = [*filter(state.silences.__contains__, alert.silences), name]
    desk.note("silence", name, {}, {"until": entry.until}, note=entry.reason)
    return name


def lift_silence(desk: AlertDesk, entry: LiftSilence) -> str:
    """End a silence. Raises Invalid("alert.silence_unknown")."""
    silence = desk.state.silences.pop(entry.id, None)
    if silence is None:
        raise Invalid("alert.silence_unknown", id=entry.id)
    desk.note("liftSilence", entry.id, {"until": silence.until}, {"until": desk.state.now_ms})
    return entry.id


def add_inhibition(desk: AlertDesk, entry: AddInhibition) -> str:
    """A new inhibition. Raises Conflict("alert.too_many")."""
    state = desk.state
    if len(state.inhibitions) >= DESK_INHIBITIONS_MAX:
        raise Conflict("alert.too_many", what="inhibitions", max=DESK_INHIBITIONS_MAX)
    name = _new_id(desk, "inhibition")
    state.inhibitions[name] = Inhibition(
        id=name, source=entry.source, target=entry.target, since=state.now_ms,
        reason=entry.reason, by=desk.by,
    )  # fmt: skip
    desk.note("inhibit", name, {}, {"in force": True}, note=entry.reason)
    for alert in state.alerts.values():
        if alert.is_open and alert.inhibited_by is None:
            _set_inhibitor(desk, alert, _inhibitor(desk, alert))
    return name


def remove_inhibition(desk: AlertDesk, entry: RemoveInhibition) -> str:
    """An inhibition that acts no more. Raises Invalid("alert.inhibition_unknown")."""
    if desk.state.inhibitions.pop(entry.id, None) is None:
        raise Invalid("alert.inhibition_unknown", id=entry.id)
    desk.note("removeInhibition", entry.id, {"in force": True}, {})
    for alert in desk.state.alerts.values():
        if alert.is_open and alert.inhibited_by is not None:
            _set_inhibitor(desk, alert, _inhibitor(desk, alert))
    return entry.id


def _inhibitor(desk: AlertDesk, alert: AlertState) -> str | None:
    """The open alert that mutes this one, the one that fired first."""
    for inhibition in desk.state.inhibitions.values():
        if not _means(inhibition.target, alert):
            continue
        for source in desk.open.about(alert.entities):
            if source.inhibited_by is None and _inhibits(inhibition, source, alert):
                return source.id
    return None


def _inhibits(inhibition: Inhibition, source: AlertState, target: AlertState) -> bool:
    """Whether one mutes the other; what could mute as well is not muted, so no two mute each
    other."""
    return (
        source.id != target.id
        and _means(inhibition.source, source)
        and _means(inhibition.target, target)
        and not _means(inhibition.source, target)
    )


def _set_inhibitor(
    desk: AlertDesk, alert: AlertState, source: str | None, changed: set[str] | None = None
) -> None:
    """Let an alert be muted by another, or by none, with what follows for those that it muted.

    Args:
        changed: Alerts that this entry has changed already: each at most once, as inhibitions of
            people may go in a circle.
    """
    changed = set() if changed is None else changed
    if alert.inhibited_by == source or alert.id in changed:
        return
    changed.add(alert.id)
    before, alert.inhibited_by = alert.inhibited_by, source
    desk.note("inhibited", alert.id, {"inhibitedBy": before}, {"inhibitedBy": source})
    if source is None:
        mute_others(desk, alert, changed)
    elif before is None:
        unmute_others(desk, alert, changed)


def _means(matchers: Matchers, alert: AlertState) -> bool:
    return matchers.matches(alert.severity, alert.rule, alert.tags, alert.key, alert.entities)


def _new_id(desk: AlertDesk, kind: str) -> str:
    """`silence-1`, `silence-2`: the log's order numbers them."""
    made = desk.state.made
    made[kind] = made.get(kind, 0) + 1
    return f"{kind}-{made[kind]}"
