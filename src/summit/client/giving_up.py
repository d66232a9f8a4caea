"""Records that cannot be processed: `onHandlerFailure` decides what becomes of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from summit.base.emitter import Payload
from summit.base.errors import SummitError
from summit.base.logs import get_logger
from summit.client.settings import ConsumerConfig
from summit.client.types import ConsumerRecord


class Bury(Protocol):
    """Writes a dead letter."""

    def __call__(
        self, record: ConsumerRecord, code: str, message: str, stage: str | None
    ) -> Awaitable[None]:
        """Returns when it is acknowledged. Raises SummitError."""
        ...


class GivingUp:
    """Gives up records of one consumer, and counts them.

    Args:
        emit: The consumer's `emit`, for `error` events.
        bury: Writes dead letters.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        emit: Callable[[str, Payload], None],
        bury: Bury | None = None,
    ) -> None:
        self._policy = config.on_handler_failure
        self._emit = emit
        self._bury = bury
        self.skipped = 0
        self.dead_lettered = 0

    async def record(
        self,
        record: ConsumerRecord,
        failure: SummitError,
        *,
        message: str,
        attempts: int = 1,
        stage: str | None = None,
    ) -> None:
        """Put the record aside; returns when it is done with.

        Args:
            message: What the dead letter says.
            stage: What failed; None = the consumer's handler.
        Raises: `failure` when the consumer is to stop before the record, or its dead letter was
            not written.
        """
        if self._policy == "stop":
            raise failure
        log = get_logger(__name__)
        if self._policy == "dead-letter" and self._bury is not None:
            try:
                await self._bury(record, failure.code, message, stage)
            except SummitError as fault:
                failure.details["reason"] += f"; and its dead letter was not written: {fault}"
                raise failure from fault
            self.dead_lettered += 1
            log.error("consumer.record_dead_lettered", error=str(failure))
        else:
            self.skipped += 1
            log.error("consumer.record_skipped", error=str(failure))
        self._emit("error", Payload(error=failure, record=record, attempts=attempts))
