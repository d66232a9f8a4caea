"""A full disk: 503 with Retry-After, reading goes on, nothing acknowledged is lost, recovery."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.rest import Rest, problem
from tests.system.running import Running
from tests.system.test_broker_away import until
from tests.system.test_rest_correlation import ONE_STEP, seen

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode != 0:
        pytest.skip("a small file system may not be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(file: Path) -> None:
    """Take what is left of the disk."""
    for size in (1 << 20, 1 << 12, 1):
        try:
            with file.open("ab", buffering=0) as more:
                while more.write(b"x" * size) == size:
                    pass
        except OSError:
            continue


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    with Running("up", "--port", "0", "--data-dir", str(small_disk / "data")) as up:
        rest, streaming = Rest(up.ready["correlation"]), Rest(up.ready["streaming"])
        assert rest("POST", "/api/patterns", ONE_STEP)[0] == 200
        assert streaming("POST", "/api/topics", {"name": "t", "partitions": 1})[0] == 200
        collector = {"name": "c", "type": "http", "topic": "t", "port": 0}
        ingest = Rest(f"http://{streaming('POST', '/api/collectors', collector)[1]['address']}")
        assert rest("POST", "/api/events", seen("before", eventId="1"))[0] == 200
        stored = 0
        filler = small_disk / "filler"
        room = os.statvfs(small_disk)
        filler.write_bytes(b"x" * (room.f_bavail * room.f_frsize - 200_000))
        big = {"topic": "t", "value": "x" * 60_000}
        while (answer := streaming("POST", "/api/produce", big))[0] == 200:
            stored += 1
            assert stored < 30
        problem(answer, 503, "client.broker_fault")
        fill(filler)
        status, members = ingest("POST", "/ingest", [{"eventType": "a", "b": "x" * 60_000}])
        problem((status, members), 503, members["code"])
        problem(streaming("POST", "/api/topics", {"name": "u"}), 503, "client.broker_fault")
        # Others are served.
        assert streaming("GET", "/api/consume/t/0")[1]["count"] == stored
        assert rest("GET", "/api/alerts?key=before")[1]["count"] == 1
        filler.unlink()
        until(lambda: streaming("POST", "/api/produce", big)[0] == 200)
        until(lambda: ingest("POST", "/ingest", [{"eventType": "a"}])[0] == 200)
        until(lambda: rest("POST", "/api/events", seen("after", eventId="2"))[0] == 200)
        assert rest("GET", "/api/alerts?key=after")[1]["count"] == 1
        assert streaming("GET", "/api/consume/t/0")[1]["count"] >= stored + 2
