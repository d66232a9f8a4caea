"""What breaks a cluster, or needs one of its own, takes minutes: `make test-faults` asks for it."""

from __future__ import annotations

import os

_SLOW = ["test_faults.py", "test_denied.py"]
collect_ignore = [] if os.environ.get("SUMMIT_TEST_FAULTS") else _SLOW
