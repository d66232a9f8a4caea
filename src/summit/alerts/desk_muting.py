"""Muting at the alert desk: silences for a time, inhibitions while another alert is open."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from summit.alerts.desk_state import AlertState, Inhibition, Silence
from summit.alerts.entries import AddInhibition, AddSilence, LiftSilence, RemoveInhibition
from summit.alerts.matchers import Matchers
from summit.base.errors import Conflict, Invalid
from summit.base.limits import DESK_INHIBITIONS_MAX, DESK_SILENCES_MAX

if TYPE_CHECKING:
    from summit.alerts.desk import AlertDesk

_SAME_CHANGES_MAX: Final = 4


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


def mute_others(desk: AlertDesk, source: AlertState) -> None:
    """Let an alert that fires mute those that inhibitions name."""
    _Changes(desk).follow(source)


def unmute_others(desk: AlertDesk, source: AlertState) -> None:
    """An alert is over, or forgotten: what it muted is muted by another, or by none."""
    changes = _Changes(desk)
    changes.review(source)
    changes.follow()


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


def _set_inhibitor(desk: AlertDesk, alert: AlertState, source: str | None) -> None:
    """Let an alert be muted by another, or by none, with what follows for those that it mutes."""
    changes = _Changes(desk)
    changes.set(alert, source)
    changes.follow()


class _Changes:
    """What one entry changes of who mutes whom: an alert that is muted itself mutes no others."""

    def __init__(self, desk: AlertDesk) -> None:
        self._desk = desk
        self._times: Counter[tuple[str, str | None]] = Counter()
        self._changed: deque[AlertState] = deque()  # which mute others now, or do so no more

    def set(self, alert: AlertState, source: str | None) -> None:
        """Let an alert be muted by another, or by none."""
        before = alert.inhibited_by
        change = (alert.id, source)
        # People's inhibitions may go in a circle: there one change leads to the next without end.
        if before == source or self._times[change] >= _SAME_CHANGES_MAX:
            return
        self._times[change] += 1
        alert.inhibited_by = source
        self._desk.note("inhibited", alert.id, {"inhibitedBy": before}, {"inhibitedBy": source})
        if (before is None) != (source is None):
            self._changed.append(alert)

    def review(self, source: AlertState) -> None:
        """What an alert muted is muted by another, or by none."""
        for other in list(self._desk.open.about(source.entities)):
            if other.inhibited_by == source.id:
                self.set(other, _inhibitor(self._desk, other))

    def follow(self, *first: AlertState) -> None:
        """Go through all that follows."""
        self._changed.extend(first)
        while self._changed:
            alert = self._changed.popleft()
            if alert.inhibited_by is not None:
                self.review(alert)
                continue
            for inhibition in self._desk.state.inhibitions.values():
                if not _means(inhibition.source, alert):
                    continue
                for other in list(self._desk.open.about(alert.entities)):
                    if other.inhibited_by is None and _inhibits(inhibition, alert, other):
                        self.set(other, alert.id)


def _means(matchers: Matchers, alert: AlertState) -> bool:
    return matchers.matches(alert.severity, alert.rule, alert.tags, alert.key, alert.entities)


def _new_id(desk: AlertDesk, kind: str) -> str:
    """`silence-1`, `silence-2`: the log's order numbers them."""
    made = desk.state.made
    made[kind] = made.get(kind, 0) + 1
    return f"{kind}-{made[kind]}"
