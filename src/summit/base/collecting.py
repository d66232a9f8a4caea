"""Python's cyclic collector, kept away while many objects are made that live on."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
