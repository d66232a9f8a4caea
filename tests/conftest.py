"""For all tests: how many run side by side, and what chance they take."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

# The same examples every time, so that a run says something of the change at hand. With
# SUMMIT_TEST_EXPLORE=1 hypothesis draws new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("SUMMIT_TEST_EXPLORE") else "same")


def pytest_xdist_auto_num_workers(config: Any) -> int:
    """One more than there are processors: many tests wait for other processes most of the time."""
    del config
    return (os.cpu_count() or 1) + 1
