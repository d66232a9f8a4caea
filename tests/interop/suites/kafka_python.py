"""kafka-python's own integration tests, out of its source distribution.

The distribution lacks two small files that its fixtures import; we lay our own beside them. Each
test has a process of its own under a time-out, since a call that hangs blocks pytest.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.interop import jvm
from tests.interop.processes import BrokerProcess
from tests.interop.suites.rows import Row

SERVICE = '''"""What the fixtures need to know of a broker that others started."""


class ExternalService:
    def __init__(self, host, port):
        self.host, self.port = host, port

    def open(self):
        pass

    def close(self):
        pass


class SpawnedService:
    """Never made where a broker is given."""
'''


def sources() -> Path:
    """The unpacked source distribution of the version that is installed."""
    version = importlib.metadata.version("kafka-python")
    folder = jvm.cache() / "kafka-python"
    unpacked = folder / f"kafka_python-{version}"
    if not unpacked.exists():
        folder.mkdir(parents=True, exist_ok=True)
        wanted = ["--no-deps", "--no-binary", "kafka-python", f"kafka-python=={version}"]
        own = importlib.util.find_spec("pip") is not None  # uv makes environments without it
        pip = [sys.executable, "-m", "pip"] if own else ["pip"]
        command = [*pip, "download", "--quiet", "--dest", str(folder), *wanted]
        subprocess.run(command, check=True, timeout=300)
        with tarfile.open(f"{unpacked}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    (unpacked / "test" / "__init__.py").touch()
    (unpacked / "test" / "service.py").write_text(SERVICE)
    return unpacked


def pytest(
    folder: Path, broker: BrokerProcess, *arguments: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "KAFKA_ROOT": str(folder),
        "KAFKA_URI": f"kafka://{broker.address}",
        "KAFKA_VERSION": "4.3.0",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def run() -> Iterator[Row]:
    """A row for every test that is not about authentication or encryption."""
    folder = sources()
    with (
        tempfile.TemporaryDirectory() as data,
        BrokerProcess(data, num_partitions=4, broker_id=0) as broker,
    ):
        listed = pytest(folder, broker, "--collect-only", "test/integration").stdout.split()
        tests = [
            name for name in listed if "::" in name and not re.search("/test_s(asl|sl)_", name)
        ]
        assert tests, "no test was collected"
        for test in tests:
            name = test.rpartition("::")[2]
            try:
                done = pytest(folder, broker, "-W", "ignore", test)
            except subprocess.TimeoutExpired:
                yield Row("kafka-python", name, "failed", "took more than three minutes")
                continue
            why = " / ".join(re.findall(r"^E\s+(\S.*)", done.stdout, re.MULTILINE)[-2:])
            if "1 skipped" in done.stdout:
                yield Row("kafka-python", name, "skipped", why)
            else:
                yield Row("kafka-python", name, "failed" if done.returncode else "passed", why)
