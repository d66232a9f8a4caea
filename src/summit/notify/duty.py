"""The notifier's duty: folding the alert log, sending what is owed, and writing that it was sent.

Every notice is owed from the entry of the log that it came of until `Notified` stands in the log.
`position` is the first such entry: who takes over begins there, so nothing is lost; a notice that
was sent and not yet written is sent again, with the same id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from summit.alerts.alert import Alert, alert_dict
from summit.alerts.desk import Decision
from summit.alerts.desk_state import AlertState
from summit.alerts.entries import AnyEntry, Notified
from summit.alerts.severity import severity_rank
from summit.base.clock import Clock
from summit.base.errors import Conflict, Invalid, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.base.tracing import span
from summit.journal.desk_follower import DeskFollower
from summit.notify.channel import Channel, Further, Notice
from summit.notify.letters import Letter, LetterWriter
from summit.notify.outbox import Outbox
from summit.notify.outlets import Outlets
from summit.notify.recipient import Recipient, open_recipient, test_notice

SYSTEM: Final = "summit"
_TICK_S: Final = 1.0
_ALERT_WAIT_S: Final = 5.0
_log = get_logger(__name__)


class Duty:
    """See the module; one loop's.

    Args:
        servers: Addresses of the brokers.
        position: Offset of the alert log to go on from.
        recipients: Gives the notifications in force.
        alert_of: Gives an alert by its id, None while it is not known.
    """

    def __init__(
        self,
        servers: Sequence[str],
        position: int,
        recipients: Callable[[], dict[str, Recipient]],
        alert_of: Callable[[str], Alert | None],
        outlets: Outlets,
        clock: Clock,
    ) -> None:
        self._follower = DeskFollower(
            servers, clock=clock, name="summit-notifier", tell_from=position
        )
        self._writer = LetterWriter(self._follower.desk)
        self._current = recipients
        self._alert_of = alert_of
        self._outlets = outlets
        self._clock = clock
        self._start = position
        self._caught_up = False
        self._outboxes: dict[str, Outbox] = {}
        self._channels: dict[str, Channel] = {}
        self._wake: dict[str, asyncio.Event] = {}
        self._undeliverable: list[tuple[Letter, str]] = []
        self._tasks = Tasks()

    @property
    def position(self) -> int:
        """Everything of the alert log before it is done with."""
        if not self._caught_up:
            return self._start
        owed = [low for box in self._outboxes.values() if (low := box.low_offset()) is not None]
        owed += [letter.offset for letter, _ in self._undeliverable]
        return max(self._start, min([*owed, self._follower.desk.state.next_offset]))

    async def run(self) -> None:
        """Do it until it is cancelled. Raises Unavailable where no broker answers at the start."""
        try:
            self.renew()
            self._follower.on("decision", self._take)
            await self._follower.start()
            self._writer.begin()
            self._caught_up = True
            for name in self._outboxes:
                self._serve(name)
            while True:
                await self._tick()
                await asyncio.sleep(_TICK_S)
        finally:
            await self._tasks.cancel_all()
            for channel in self._channels.values():
                await channel.close()
            await self._follower.stop()

    def renew(self) -> None:
        """Go by the notifications that are in force now."""
        before, after = self._writer.recipients, dict(sorted(self._current().items()))
        self._writer.recipients = after
        for name in set(before) | set(after):
            if before.get(name) == after.get(name):
                continue
            if (channel := self._channels.pop(name, None)) is not None:
                self._tasks.spawn(channel.close(), f"notifier.close {name}")
            letters = self._outboxes[name].letters if name in self._outboxes else []
            recipient = after.get(name)
            if recipient is None:
                self._outboxes.pop(name, None)
                reason = "the notification was removed, or disabled"
                self._undeliverable += [(letter, reason) for letter in letters]
                continue
            box = self._outboxes[name] = Outbox(recipient.plan)
            for letter in letters:
                box.add(letter, self._clock.now_ms())
            if self._caught_up:
                self._serve(name)

    # ---- inside ----

    def _take(self, decision: Decision) -> None:
        letters, done = self._writer.take(decision)
        self._owe(letters)
        for key in done:
            if (box := self._outboxes.get(key[0])) is not None:
                box.remove(key)

    def _owe(self, letters: Iterable[Letter]) -> None:
        for letter in letters:
            box = self._outboxes.get(letter.to)
            if box is None:
                reason = f"there is no notification '{letter.to}' in force"
                self._undeliverable.append((letter, reason))
                continue
            left_over = box.add(letter, self._clock.now_ms())
            if left_over is not None:
                self._undeliverable.append((left_over, "too many notices wait"))
            if (wake := self._wake.get(letter.to)) is not None:
                wake.set()

    async def _tick(self) -> None:
        letters, levels = self._writer.tick(self._clock.now_ms())
        self._owe(letters)
        for level in levels:
            try:
                await self._follower.write(level)
            except Conflict:
                continue  # acknowledged meanwhile
            except SummitError as error:
                _log.warning("notifier.not_written", error=str(error))
        refused = list(self._undeliverable)
        if refused and await self._write([_notified(*each) for each in refused]):
            del self._undeliverable[: len(refused)]  # owed until it is written

    def _serve(self, name: str) -> None:
        if name not in self._wake:
            self._wake[name] = asyncio.Event()
            self._tasks.spawn(self._send_all(name), f"notifier.send {name}")
        self._wake[name].set()

    async def _send_all(self, name: str) -> None:
        """Send what waits for a notification, as long as there is one of this id."""
        wake = self._wake[name]
        try:
            while (box := self._outboxes.get(name)) is not None:
                now_ms = self._clock.now_ms()
                due_ms = box.due_ms(now_ms)
                if due_ms is None or due_ms > now_ms:
                    wake.clear()
                    wait_s = 60.0 if due_ms is None else min((due_ms - now_ms) / 1000, 60.0)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait_s):
                            await wake.wait()
                    continue
                await self._send(name, box, box.parcel(now_ms))
        finally:
            self._wake.pop(name, None)

    async def _send(self, name: str, box: Outbox, letters: list[Letter]) -> None:
        """One message: sent, or to be tried again, or given up."""
        recipient = self._writer.recipients[name]
        reason = ""
        try:
            notice = await self._notice(recipient, letters)
            if name not in self._channels:
                self._channels[name] = open_recipient(recipient, self._outlets)
            with self._traced(name, letters):
                await self._channels[name].deliver(notice)
        except Exception as error:  # noqa: BLE001 - a channel's own fault stops no other notice
            is_known = isinstance(error, SummitError)
            reason = str(error) if is_known else type(error).__name__  # it may hold a secret
            may_pass = isinstance(error, Unavailable) or not is_known
            if may_pass and box.failed(self._clock.now_ms()):
                _log.warning("notifier.tries_again", notification=name, error=reason)
                return
            _log.error("notifier.gave_up", notification=name, alerts=len(letters), error=reason)
        while not await self._write([_notified(letter, reason) for letter in letters]):
            await asyncio.sleep(_TICK_S)  # the broker is away: it must not be sent again
        box.sent(letters, self._clock.now_ms())

    def _traced(self, name: str, letters: list[Letter]) -> Any:
        """The span of sending, in the trace of the first alert that belongs to one."""
        found = [self._follower.traces.get(letter.alert) for letter in letters]
        contexts = [context for context in found if context is not None]
        attributes = {"summit.notification": name, "summit.alerts": len(found)}
        return span(
            f"notify {name}", "client", parent=contexts[0] if contexts else None,
            links=contexts[1:], attributes=attributes,
        )  # fmt: skip

    async def _write(self, entries: Sequence[AnyEntry]) -> bool:
        """Write to the alert log; returns whether it is there."""
        try:
            await self._follower.write_all(entries)
        except (Invalid, Conflict):
            pass  # of an alert that was forgotten; it is written all the same
        except SummitError as error:
            _log.warning("notifier.not_written", error=str(error))
            return False
        return True

    async def _notice(self, recipient: Recipient, letters: list[Letter]) -> Notice:
        """One notice of a letter, or a digest of several."""
        first = letters[0]
        if first.action == "test":
            assert first.request is not None
            return recipient.says(test_notice(first.at, first.by, first.request))
        found = [(letter, await self._alert(letter.alert)) for letter in letters]
        found.sort(key=lambda pair: severity_rank(pair[1]["severity"]), reverse=True)
        letter, alert = found[0]
        notice = Notice(
            id="/".join(map(str, filter(None, (*letter.key[1:], letter.to)))),
            action=letter.action, alert=alert, at=letter.at, by=letter.by, level=letter.level,
            users=letter.users, more=tuple(Further(one.action, other) for one, other in found[1:]),
        )  # fmt: skip
        return recipient.says(notice)

    async def _alert(self, name: str) -> dict[str, Any]:
        """The alert whole; what the alert log knows of it where it is not to be had any more."""
        for _ in range(int(_ALERT_WAIT_S / 0.05)):
            # Both logs were written at once; the other one may be read a little later.
            if (alert := self._alert_of(name)) is not None:
                return alert_dict(alert)
            await asyncio.sleep(0.05)
        state = self._follower.desk.state.alerts.get(name)
        return alert_dict(_known_of(name, state))


def _known_of(name: str, state: AlertState | None) -> Alert:
    if state is None:
        return Alert(
            id=name, timestamp=0, severity="info", title="An alert that is not kept any more",
            description="", events=[],
        )  # fmt: skip
    return Alert(
        id=name, timestamp=state.timestamp, severity=state.severity, title=state.title,
        description="", events=[], pattern=state.rule, key=state.key, tags=list(state.tags),
        last_seen=state.last_seen, notify=list(state.notify),
    )  # fmt: skip


def _notified(letter: Letter, reason: str) -> Notified:
    return Notified(
        by=SYSTEM, id=letter.alert, channel=letter.to, action=letter.action,
        delivered=not reason, reason=reason[:500], level=letter.level, request=letter.request,
    )  # fmt: skip
