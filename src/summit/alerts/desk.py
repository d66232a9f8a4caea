"""The alert desk: what has become of every alert, folded from the entries of the alert log. Pure.

Entries come in the order of the log with the times of their records, so everyone who reads the
log has the same desk. An alert that fires goes this way: it counts for the risk of its entities;
silences and inhibitions are asked whether they mean it; an open alert that is like it (key,
title, severity) takes it in as a duplicate; else it is new, and joins the open case of one of its
entities, or opens one where the risk is high enough.

Whether a silence still holds is asked with the time of who asks; the state itself moves by
entries only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from summit.alerts import desk_cases, desk_muting, desk_work
from summit.alerts.attack import tactics_of
from summit.alerts.desk_index import OpenAlerts
from summit.alerts.desk_state import (
    AlertState,
    Audit,
    DeskSettings,
    DeskState,
    Status,
)
from summit.alerts.entries import AnyEntry, Fired, Repeated, entry_type
from summit.alerts.matchers import entities_of
from summit.alerts.risk import add_risk, risk_score
from summit.base.errors import Corrupt, SummitError
from summit.base.limits import DESK_ALERTS_MAX, DESK_AUDIT_MAX, DESK_DUPLICATES_MAX

SYSTEM: Final = "summit"
_VERSION: Final = 1
_tactics_of = lru_cache(maxsize=1_024)(tactics_of)  # rules have the same tags each time
# The log has these by the thousand; what people did must not be pushed out by them.
_NOT_KEPT: Final = ("fired", "duplicate", "repeated", "notified", "tell")


class Decision(NamedTuple):
    """What became of an entry.

    Attributes:
        id: Of what it is about: the alert, silence, inhibition or case; what it made, if it did.
        changes: What changed, in order.
        error: Why it was refused; None when it was accepted.
    """

    id: str
    changes: list[Audit]
    error: SummitError | None = None


class AlertDesk:
    """See the module.

    Attributes:
        state: Everything it knows; for reading.
    """

    def __init__(self, settings: DeskSettings | None = None) -> None:
        self.settings = settings or DeskSettings()
        self.state = DeskState()
        self.open = OpenAlerts()
        self._offset = 0
        self._by = SYSTEM
        self._changes: list[Audit] = []

    # ---- entries ----

    def apply(self, offset: int, now_ms: int, entry: AnyEntry) -> Decision:
        """Take the next entry of the log.

        Args:
            offset: Its record's.
            now_ms: Its record's time; one that is before that of an earlier entry counts as that.
        """
        state = self.state
        state.now_ms = max(state.now_ms, now_ms)
        state.next_offset = offset + 1
        self._offset, self._by, self._changes = offset, SYSTEM, []
        desk_muting.end_silences(self)
        self._by = entry.by or SYSTEM
        error: SummitError | None = None
        about = ""
        try:
            if isinstance(entry, Fired):
                about = self._fire(entry)
            elif isinstance(entry, Repeated):
                about = self._repeat(entry)
            else:
                about = desk_work.do(self, entry)
        except SummitError as refusal:
            error = refusal
            about = getattr(entry, "id", "")
            self._record(
                Audit(
                    offset=offset, at=state.now_ms, by=self._by, what=entry_type(entry), of=about,
                    refused=str(refusal),
                )
            )  # fmt: skip
            self.count("refused")
        return Decision(about, self._changes, error)

    def skip(self, offset: int) -> None:
        """A record that is no entry; counted."""
        self.state.next_offset = offset + 1
        self.count("invalid")

    def _fire(self, entry: Fired) -> str:
        state = self.state
        if entry.id in state.alerts or entry.id in state.duplicates:
            self.count("known")
            return entry.id
        if entry.corrects is not None and self._correct(entry):
            return entry.id
        alert = AlertState(
            id=entry.id, severity=entry.severity, title=entry.title, rule=entry.rule,
            key=entry.key, tags=entry.tags, entities=entities_of(entry.key),
            fired_at=state.now_ms, timestamp=entry.timestamp,
            last_seen=max(entry.timestamp, entry.last_seen), notify=entry.notify,
        )  # fmt: skip
        self.count("fired")
        tactics = _tactics_of(entry.tags)
        risks = {
            entity: add_risk(state, self.settings, entity, entry.severity, entry.timestamp, tactics)
            for entity in alert.entities
        }
        like = self.open.like(alert.key, alert.title, alert.severity)
        if like is None:
            desk_muting.mute(self, alert)
            state.alerts[alert.id] = alert
            self.open.add(alert)
            self.note("fired", alert.id, {}, {"state": alert.state})
            desk_muting.mute_others(self, alert)
            self._evict()
        else:
            known = state.alerts[like]
            self._take_duplicate(known, alert)
            alert = known
        if self.status(alert, state.now_ms) in ("firing", "acknowledged"):
            desk_cases.join(self, alert, risks)
        return entry.id

    def _correct(self, entry: Fired) -> bool:
        """Let an alert be what a late event has made of it; False = it is to fire by itself."""
        known = None if entry.corrects is None else self.find(entry.corrects)
        if known is None:
            # Suppressed or evicted: what is not there need not be withdrawn.
            return entry.withdrawn
        self.state.duplicates[entry.id] = known.id
        before = {"lastSeen": known.last_seen}
        known.last_seen = max(known.last_seen, entry.last_seen)
        after = {"lastSeen": known.last_seen, "correction": entry.id}
        self.count("withdrawn" if entry.withdrawn else "corrected")
        self.note("corrected", known.id, before, after)
        known.withdrawn += entry.withdrawn
        if known.withdrawn >= known.count and known.is_open:
            desk_work.end(self, known, note="withdrawn: a late event has changed what it says")
        return True

    def _take_duplicate(self, known: AlertState, alert: AlertState) -> None:
        state = self.state
        state.duplicates[alert.id] = known.id
        if len(state.duplicates) > DESK_DUPLICATES_MAX:
            del state.duplicates[next(iter(state.duplicates))]
            self.count("duplicatesEvicted")
        before = {"count": known.count, "lastSeen": known.last_seen}
        known.count += 1
        known.last_seen = max(known.last_seen, alert.last_seen)
        self.count("duplicates")
        after = {"count": known.count, "lastSeen": known.last_seen, "duplicate": alert.id}
        self.note("duplicate", known.id, before, after)

    def _repeat(self, entry: Repeated) -> str:
        alert = self.find(entry.id)
        self.count("suppressed", entry.count)
        if alert is None:  # evicted: the count above is all that is left to say
            return entry.id
        before = {"suppressed": alert.suppressed, "lastSeen": alert.last_seen}
        alert.suppressed += entry.count
        alert.last_seen = max(alert.last_seen, entry.last_seen)
        after = {"suppressed": alert.suppressed, "lastSeen": alert.last_seen}
        self.note("repeated", alert.id, before, after)
        return alert.id

    def _evict(self) -> None:
        state = self.state
        while len(state.alerts) > DESK_ALERTS_MAX:
            if state.closed:
                gone = next(iter(state.closed))
                del state.closed[gone]
                self.count("alertsEvicted")
            else:
                gone = next(iter(state.alerts))
                self.count("openAlertsEvicted")
            alert = state.alerts.pop(gone)
            self.open.remove(alert)
            desk_muting.unmute_others(self, alert)

    # ---- questions ----

    def find(self, alert_id: str) -> AlertState | None:
        """An alert; for a duplicate the one that took it in. None when it is not known."""
        state = self.state
        return state.alerts.get(state.duplicates.get(alert_id, alert_id))

    def status(self, alert: AlertState, now_ms: int) -> Status:
        """What people see of an alert at a time."""
        if not alert.is_open:
            return alert.state
        for name in alert.silences:
            silence = self.state.silences.get(name)
            if silence is not None and now_ms < silence.until:
                return "silenced"
        return "inhibited" if alert.inhibited_by is not None else alert.state

    def describe(self, alert_id: str, now_ms: int) -> dict[str, Any]:
        """What has become of an alert, by the names of the wire.

        Only its status where it is not known here (evicted, or not read yet): it fires. The
        number of times it fired is `occurrences`; `count` of an alert is that of its events.
        """
        alert = self.find(alert_id)
        if alert is None:
            return {"status": "firing"}
        if alert.id != alert_id:
            return {"status": "duplicate", "duplicateOf": alert.id}
        shown: dict[str, Any] = msgspec.to_builtins(alert)
        for known_already in (
            "id",
            "severity",
            "title",
            "rule",
            "key",
            "tags",
            "timestamp",
            "notify",
        ):
            del shown[known_already]
        shown["status"] = self.status(alert, now_ms)
        shown["occurrences"] = shown.pop("count")
        return shown

    def status_of(self, alert_id: str, now_ms: int) -> Status:
        """What people see of the alert with this id; `firing` where it is not known here."""
        alert = self.find(alert_id)
        if alert is None:
            return "firing"
        return "duplicate" if alert.id != alert_id else self.status(alert, now_ms)

    def figures(self) -> dict[str, int]:
        """Counts by the names of the wire; of cases those that are open."""
        counters = self.state.counters
        return {
            "openAlerts": len(self.state.alerts) - len(self.state.closed),
            "duplicateAlerts": counters.get("duplicates", 0),
            "suppressedAlerts": counters.get("suppressed", 0),
            "silences": len(self.state.silences),
            "openCases": sum(case.state == "open" for case in self.state.cases.values()),
        }

    def history(self, of: str) -> list[Audit]:
        """The changes at hand of an alert, silence, inhibition or case, oldest first."""
        return [entry for entry in self.state.audit if entry.of == of]

    def risk(self, entity: str, at_ms: int) -> float:
        """An entity's risk at a time."""
        return risk_score(self.state.risks.get(entity), at_ms, self.settings)

    # ---- for those who do a desk's work ----

    @property
    def by(self) -> str:
        """Who wrote the entry that is being taken."""
        return self._by

    def note(
        self,
        what: str,
        of: str,
        before: dict[str, Any],
        after: dict[str, Any],
        *,
        note: str = "",
        by: str | None = None,
    ) -> None:
        """Tell of a change. `by`: who made it, where it was not the entry's writer."""
        self._record(
            Audit(
                offset=self._offset, at=self.state.now_ms, by=by or self._by, what=what, of=of,
                before=before, after=after, note=note,
            )
        )  # fmt: skip

    def count(self, name: str, by: int = 1) -> None:
        """Count something that happened."""
        self.state.counters[name] = self.state.counters.get(name, 0) + by

    def _record(self, change: Audit) -> None:
        self._changes.append(change)
        if change.what in _NOT_KEPT and not change.refused:
            return
        audit = self.state.audit
        audit.append(change)
        if len(audit) > DESK_AUDIT_MAX:
            drop = DESK_AUDIT_MAX // 10
            del audit[:drop]
            self.count("auditEvicted", drop)

    # ---- saving ----

    def dump(self) -> bytes:
        """The whole state: `load` goes on from it as if nothing had been."""
        return bytes((_VERSION,)) + msgspec.msgpack.encode(self.state)

    @classmethod
    def load(cls, data: bytes, settings: DeskSettings | None = None) -> AlertDesk:
        """A desk from its dump. Raises Corrupt("alert.state")."""
        desk = cls(settings)
        if data[:1] != bytes((_VERSION,)):
            raise Corrupt("alert.state", reason=f"it has version {data[:1].hex()}")
        try:
            desk.state = msgspec.msgpack.decode(data[1:], type=DeskState)
        except msgspec.MsgspecError as error:
            raise Corrupt("alert.state", reason=str(error)) from error
        desk.open = OpenAlerts(desk.state.alerts.values())
        return desk
