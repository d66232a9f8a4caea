"""The notifier: one consumer group, so that of several processes one tells people of alerts.

It commits how far its duty is done; when it ends or dies, another goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from summit.alerts.alert import Alert
from summit.base.clock import Clock, SystemClock
from summit.base.errors import Invalid, SummitError
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.client.consumer import StreamConsumer
from summit.client.settings import ConsumerConfig
from summit.client.types import OffsetCommitRequest, TopicPartition
from summit.documents.notification import validate_notification
from summit.journal.definition_log import Change
from summit.journal.definitions import Definitions
from summit.journal.topics import ALERT_STATE_TOPIC
from summit.notify.duty import Duty
from summit.notify.outlets import Outlets
from summit.notify.recipient import Recipient, prepare_recipient

GROUP: Final = "summit-notifier"
KIND: Final = "notification"
_PLACE: Final = TopicPartition(ALERT_STATE_TOPIC, 0)
_POLL_MS: Final = 500
_SESSION_MS: Final = 10_000  # one that was killed is replaced after so long
_PAUSE_S: Final = 1.0
_log = get_logger(__name__)


class Notifier:
    """See the module; one loop's, from `start` to `stop`.

    Args:
        servers: Addresses of the brokers.
        definitions: Followed by somebody else; they must have been read.
        alert_of: Gives an alert by its id, None while it is not known.
    """

    def __init__(
        self,
        servers: Sequence[str],
        definitions: Definitions,
        alert_of: Callable[[str], Alert | None],
        outlets: Outlets,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._servers = list(servers)
        self._definitions = definitions
        self._alert_of = alert_of
        self._outlets = outlets
        self._clock = clock or SystemClock()
        self._consumer = StreamConsumer(
            ConsumerConfig(
                client_id=GROUP, group_id=GROUP, bootstrap_servers=self._servers,
                enable_auto_commit=False, auto_offset_reset="earliest",
                isolation_level="read_committed", session_timeout_ms=_SESSION_MS,
            ),
            clock=self._clock,
        )  # fmt: skip
        self._duty: Duty | None = None
        self._doing: asyncio.Task[None] | None = None
        self._committed = -1
        self._tasks = Tasks()
        self._stopped = False

    async def start(self) -> None:
        """Join the group. Raises Unavailable where no broker answers."""
        await self._consumer.connect()
        self._consumer.on("partitions:assigned", self._assigned)
        self._consumer.on("partitions:revoked", self._revoked)
        self._definitions.on("change", self._changed)
        await self._consumer.subscribe(ALERT_STATE_TOPIC)
        self._tasks.spawn(self._keep_up(), "notifier.group")

    async def stop(self) -> None:
        """End the duty, say how far it is done, and leave the group. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        self._definitions.off("change", self._changed)
        await self._tasks.cancel_all()
        await self._end_duty()
        await self._consumer.close()

    @property
    def on_duty(self) -> bool:
        """Whether it is this one that tells people."""
        return self._duty is not None

    # ---- the group ----

    async def _keep_up(self) -> None:
        """Stay a member, and commit."""
        while True:
            try:
                await self._consumer.poll(_POLL_MS)
                await self._commit()
            except SummitError as error:
                _log.warning("notifier.waits", error=str(error))
                await asyncio.sleep(_PAUSE_S)

    def _assigned(self, _: Any) -> None:
        if self._doing is None and _PLACE in self._consumer.assignment:
            self._doing = self._tasks.spawn(self._do(), "notifier.duty")

    async def _revoked(self, _: Any) -> None:
        if _PLACE not in self._consumer.assignment:
            await self._end_duty()

    async def _end_duty(self) -> None:
        doing, self._doing = self._doing, None
        if doing is not None:
            doing.cancel()
            await asyncio.wait([doing], timeout=10)
        if self._stopped:
            try:
                await self._commit()
            except SummitError as error:
                _log.warning("notifier.not_committed", error=str(error))
        self._duty = None

    async def _do(self) -> None:
        """Do the duty; begun again where it breaks off."""
        while True:
            try:
                await self._consumer.pause([_PLACE])
                position = (await self._consumer.committed([_PLACE]))[_PLACE] or 0
                self._committed = position
                self._duty = Duty(
                    self._servers, position, self._recipients, self._alert_of, self._outlets,
                    self._clock,
                )  # fmt: skip
                await self._duty.run()
            except SummitError as error:
                _log.warning("notifier.begins_again", error=str(error))
                await asyncio.sleep(_PAUSE_S)

    async def _commit(self) -> None:
        duty = self._duty
        if duty is None or duty.position <= self._committed:
            return
        position = duty.position
        await self._consumer.commit_offsets(
            [OffsetCommitRequest(topic=_PLACE.topic, partition=_PLACE.partition, offset=position)]
        )
        self._committed = position

    # ---- the definitions ----

    def _changed(self, change: Change) -> None:
        if change.key.startswith(f"{KIND}/") and self._duty is not None:
            self._duty.renew()

    def _recipients(self) -> dict[str, Recipient]:
        """The notifications that are in force."""
        found: dict[str, Recipient] = {}
        for definition in self._definitions.current(KIND):
            try:
                document = validate_notification(definition.document)
                if document.enabled:
                    since_ms = self._definitions.log.since_ms(KIND, definition.id)
                    found[definition.id] = prepare_recipient(document.plan, since_ms)
            except Invalid as error:  # written by another version
                _log.error("notifier.unusable", notification=definition.id, error=str(error))
        return found
