"""Things made of a file, and made again when the file changes: tables, geo databases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.base.logs import get_logger

_LOOK_MS: Final = 1_000
T = TypeVar("T")
_Sign = tuple[int, int, int]


class Reloaded(Generic[T]):
    """What `load` makes of a file; looked at once a second at most, while it is used.

    What was made of the file before is used until the new one is there, and where the new one
    cannot be read.

    Args:
        load: Run in a thread where the file has changed.
    Attributes:
        made: What was made last.

    Raises: Invalid of `load`; Invalid("enrichment.table") where there is no such file.
    """

    def __init__(self, path: str, load: Callable[[], T], clock: Clock) -> None:
        self._path = Path(path)
        self._load = load
        self._clock = clock
        self._sign = self._look()
        if self._sign is None:
            raise Invalid("enrichment.table", reason=f"there is no file {path}")
        self.made = load()
        self._looked_ms = clock.monotonic_ms()
        self._loading: asyncio.Task[None] | None = None

    async def now(self) -> T:
        """What is made of the file as it is now."""
        if self._loading is None and self._clock.monotonic_ms() - self._looked_ms >= _LOOK_MS:
            self._looked_ms = self._clock.monotonic_ms()
            sign = self._look()
            if sign is not None and sign != self._sign:
                self._loading = asyncio.ensure_future(self._reload(sign))
        if self._loading is not None:
            # A small one is there at once; a large one is not waited for.
            await asyncio.wait([self._loading], timeout=0.05)
        return self.made

    async def close(self) -> None:
        """Wait for what is being loaded. Idempotent."""
        if self._loading is not None:
            await asyncio.wait([self._loading])

    async def _reload(self, sign: _Sign) -> None:
        try:
            self.made = await asyncio.to_thread(self._load)
            get_logger(__name__).info("enrichment.reloaded", file=str(self._path))
        except Invalid as error:
            get_logger(__name__).warning(
                "enrichment.not_reloaded", file=str(self._path), error=str(error)
            )
        finally:
            self._sign = sign  # what is wrong is not read again and again
            self._loading = None

    def _look(self) -> _Sign | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
