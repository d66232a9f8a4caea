"""What channels of this system write with: a producer for topics, a folder for files."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.config import Config
from summit.base.errors import Invalid, Unavailable
from summit.client.producer import StreamProducer
from summit.client.types import ProducerRecord
from summit.documents.sending import is_closed_topic
from summit.notify.channel import Notice

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", re.ASCII)
_encode = msgspec.json.Encoder().encode


class Outlets(NamedTuple):
    """Where `topic` and `file` go.

    Attributes:
        folder: Files are made in it; None = there is none, and no file is written.
        ensure_topic: Makes a topic that is not there; None = topics must be there.
    """

    producer: StreamProducer | None = None
    folder: Path | None = None
    ensure_topic: Callable[[str], Awaitable[Any]] | None = None


class TopicConfig(Config, frozen=True, kw_only=True):
    """A topic that gets each notice as JSON, with the alert's id as key."""

    topic: str

    def check(self) -> None:
        """Refuse what only the system writes to."""
        if not _NAME.fullmatch(self.topic) or is_closed_topic(self.topic):
            reason = f"'{self.topic[:80]}' is no topic that is open to notifications"
            raise Invalid("config.invalid", reason=f"topic: {reason}", pointer="/topic")


class FileConfig(Config, frozen=True, kw_only=True):
    """A file that gets each notice as a line of JSON.

    Args:
        name: In the folder of notifications; no path, as it is not the author's machine.
    """

    name: str

    def check(self) -> None:
        """Refuse a path."""
        if not _NAME.fullmatch(self.name):
            reason = "must be a plain name of letters, digits and . _ -; the folder is configured"
            raise Invalid("config.invalid", reason=f"name: {reason}", pointer="/name")


class TopicChannel:
    """Writes notices to a topic."""

    def __init__(self, config: TopicConfig, outlets: Outlets) -> None:
        if outlets.producer is None:
            raise Invalid(
                "config.invalid", reason="topic: there is no broker here", pointer="/type"
            )
        self._topic = config.topic
        self._producer = outlets.producer
        self._ensure = outlets.ensure_topic

    async def deliver(self, notice: Notice) -> None:
        """Write it; returns when the broker has it durably. Raises: Invalid, Unavailable."""
        if self._ensure is not None:
            await self._ensure(self._topic)
            self._ensure = None
        await self._producer.send(
            ProducerRecord(
                topic=self._topic, key=str(notice.alert.get("id", "")), value=_encode(notice)
            )
        )

    async def close(self) -> None:
        """The producer is not its own."""


class FileChannel:
    """Appends notices to a file."""

    def __init__(self, config: FileConfig, outlets: Outlets) -> None:
        if outlets.folder is None:
            raise Invalid(
                "config.invalid", pointer="/type",
                reason="file: no folder is configured; set SUMMIT_NOTIFICATIONS_DIR",
            )  # fmt: skip
        self._path = outlets.folder / config.name

    async def deliver(self, notice: Notice) -> None:
        """Append it, and see it on the disk. Raises Unavailable."""
        try:
            await asyncio.to_thread(self._append, _encode(notice) + b"\n")
        except OSError as error:
            reason = f"{self._path.name}: {error.strerror or error}"
            raise Unavailable("notify.unavailable", reason=reason) from error

    async def close(self) -> None:
        """Nothing is kept open."""

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        place = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
        try:
            os.write(place, line)
            os.fsync(place)
        finally:
            os.close(place)
