"""On the real process, watched by the kernel: no acks=all answer leaves before its fdatasync."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from tests.broker.wire import Wire, batch_of
from tests.interop.processes import BrokerProcess

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

COUNT = 40
_CALLS = "pwrite64,pwritev,pwritev2,fdatasync,fsync,write,writev,sendto,sendmsg,sendmmsg"


def _may_trace() -> bool:
    done = subprocess.run(
        ["strace", "-o", "/dev/null", "true"], capture_output=True, timeout=90, check=False
    )
    return done.returncode == 0


def test_sync_precedes_answer(tmp_path: Path) -> None:
    if not _may_trace():
        pytest.skip("strace may not trace here")
    trace = tmp_path / "trace"
    broker = BrokerProcess(str(tmp_path / "data"), durability="fsync").start()
    watcher = subprocess.Popen(
        ["strace", "-f", "-y", "-s", "300", "-e", f"trace={_CALLS}", "-o", str(trace),
         "-p", str(broker.pid)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert watcher.stderr is not None
        assert "attached" in watcher.stderr.readline()
        with Wire(broker.port) as wire:
            wire.create_topic("watched")
            time.sleep(0.2)
            for i in range(COUNT):
                answer = wire.produce("watched", batch_of(b"MARK-%d-" % i))
                assert answer.base_offset == i
    finally:
        watcher.terminate()
        watcher.wait(10)
        assert watcher.stderr is not None
        watcher.stderr.close()
        broker.stop()
    written, synced, answered = replay(trace.read_text(errors="replace"))
    assert (written, synced, answered) == (COUNT, COUNT, COUNT)


def replay(text: str) -> tuple[int, int, int]:
    """Go through the calls in order; every answer must find its record synced."""
    written = synced = answered = 0
    at_start: dict[str, int] = {}  # thread → records written when its sync began
    for line in text.splitlines():
        thread, call = line.split(maxsplit=1)
        mark = re.search(r"MARK-(\d+)-", call)
        if mark and ".wal>" in call and call.startswith("pwrite"):
            written = int(mark[1]) + 1
        if re.match(r"f(data)?sync\(\d+<[^>]*\.wal>", call):
            at_start[thread] = written
        if re.match(r"(<\.\.\. )?f(data)?sync.*= 0", call) and thread in at_start:
            synced = at_start.pop(thread)
        if written and re.match(r"(write|writev|sendto|sendmsg)\(\d+<(socket|TCP)", call):
            answered += 1
            assert answered <= synced, f"answer {answered} left before its sync: {line}"
    return written, synced, answered
