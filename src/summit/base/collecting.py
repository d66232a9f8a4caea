"""Python's cyclic collector: kept away where it finds nothing, and never long at a time.

A look through everything takes as long as there are objects: 60 ms with 200,000 keys. So what is
alive is set aside four times a second (`gc.freeze`) and looked through no more; counting references
frees it as before. Only a cycle that dies after that stays, until a process that is at rest looks
through everything again.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SETTLE_EACH_S: Final = 0.25
# A batch makes thousands of objects that end with it: looking each 700 found nothing, and took as
# long as the work. What a quarter of a second makes is looked through in about 10 ms.
_YOUNG: Final = (25_000, 2, 10)
_WHOLE_EACH_S: Final = 600.0  # at rest
_WHOLE_AT_LEAST_EACH_S: Final = 6 * 3_600.0
_AT_REST: Final = 0.1  # share of a CPU


@contextmanager
def collection_paused() -> Iterator[None]:
    """No collection meanwhile, on any thread; also as a decorator of a function.

    For a stretch that makes a great many objects and no garbage in cycles: looking through them
    again and again costs as much as making them. Nothing may be awaited inside.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Settling:
    """Keeps the collections of a process short; its loop calls `settle` every `SETTLE_EACH_S`.

    For processes that are ours alone: it sets how the whole interpreter collects.
    """

    def __init__(self, now_s: float | None = None, cpu_s: float | None = None) -> None:
        gc.set_threshold(*_YOUNG)
        gc.freeze()
        self._now_s = self._whole_s = time.monotonic() if now_s is None else now_s
        self._cpu_s = time.process_time() if cpu_s is None else cpu_s

    def settle(self, now_s: float | None = None, cpu_s: float | None = None) -> bool:
        """Collect what is young, set aside what is alive.

        Args:
            now_s: Of a clock that never goes back; by default the system's.
            cpu_s: Seconds of CPU that the process has taken.
        Returns: Whether everything was looked through: at rest, or once in a long while.
        """
        now_s = time.monotonic() if now_s is None else now_s
        cpu_s = time.process_time() if cpu_s is None else cpu_s
        at_rest = cpu_s - self._cpu_s < _AT_REST * (now_s - self._now_s)
        wait_s = _WHOLE_EACH_S if at_rest else _WHOLE_AT_LEAST_EACH_S
        self._now_s, self._cpu_s = now_s, cpu_s
        whole = now_s - self._whole_s >= wait_s
        if whole:
            self._whole_s = now_s
            gc.unfreeze()
        gc.collect(2 if whole else 1)
        gc.freeze()
        return whole
