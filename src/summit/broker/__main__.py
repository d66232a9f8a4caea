"""`python -m summit.broker key=value …`: one broker, for tests and benchmarks.

Takes any field of `BrokerSettings`; prints one JSON line with host and port once it listens.
"""

from __future__ import annotations

import json
import sys

from summit.base.config import key_names
from summit.base.errors import Invalid
from summit.broker.main import EXIT_FAILED, run
from summit.broker.server import Broker
from summit.broker.settings import BrokerSettings


def _ready(broker: Broker) -> None:
    line = {"host": broker.host, "port": broker.port, "clusterId": broker.cluster_id}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Parse `key=value` pairs and run."""
    pairs = dict(pair.split("=", 1) for pair in arguments)
    try:
        settings = BrokerSettings.from_dict(pairs)
    except Invalid as error:
        sys.stderr.write(f"{error}\nknown: {', '.join(sorted(key_names(BrokerSettings)))}\n")
        return EXIT_FAILED
    return run(settings, _ready)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
