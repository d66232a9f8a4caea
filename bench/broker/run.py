"""Every benchmark of the broker in one go: `python -m bench.broker.run`; a minute and a half."""

from __future__ import annotations

import sys

from bench.broker import bulk, footprint, fsync, small


def main() -> None:
    """Run them one after the other; each prints JSON lines."""
    for module, arguments in (
        (footprint, ["--runs", "3"]),
        (small, []),
        (bulk, []),
        (bulk, ["--durability", "fsync"]),
        (bulk, ["--codec", "lz4", "--idempotent"]),
        (fsync, ["--seconds", "2"]),
    ):
        sys.argv = [module.__name__, *arguments]
        module.main()


if __name__ == "__main__":
    main()
