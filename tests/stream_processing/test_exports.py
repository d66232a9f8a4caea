"""What the package gives away."""

from __future__ import annotations

import subprocess
import sys

import summit.stream_processing as package


def test_every_name_is_there() -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert len(set(package.__all__)) == len(package.__all__)


def test_importing_it_does_not_import_librdkafka() -> None:
    code = "import summit.stream_processing, sys; sys.exit('confluent_kafka' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
