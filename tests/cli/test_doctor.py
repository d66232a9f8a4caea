"""The doctor finds what is wrong, says what to do, and lets be what is well."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import Done, summit

from summit.base.files import OsFiles
from summit.cli.doctor import machine
from summit.cli.doctor.running import group_findings
from summit.stream_processing import EmbeddedBroker


def looks(*words: str) -> tuple[dict[str, dict[str, Any]], Done]:
    """Findings by check."""
    done = summit("doctor", "-o", "json", *words)
    rows = json.loads(done.out)
    assert all(row["advice"] for row in rows if row["status"] != "ok")
    return {row["check"]: row for row in rows}, done


def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    for section in ("BROKER", "STREAMING", "CORRELATION"):
        monkeypatch.setenv(f"SUMMIT_{section}__PORT", "0")


def test_a_machine_that_is_well(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_ports(monkeypatch)
    found, _ = looks("--offline")
    for check in ("python", "packages", "extras", "memory", "disk sync", "configuration",
                  "data directory"):  # fmt: skip
        assert found[check]["status"] == "ok", found[check]
    assert not list(bare.iterdir())  # a look leaves nothing


def test_a_taken_port_is_a_fault_with_1(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_ports(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("SUMMIT_STREAMING__PORT", str(port))
        found, done = looks("--offline")
    assert found[f"port {port}"]["status"] == "fail"
    assert done.code == 1


def test_what_does_not_run_is_a_warning(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_ports(monkeypatch)
    monkeypatch.setenv("SUMMIT_CORRELATION_URL", "http://127.0.0.1:9")
    found, done = looks("-b", "127.0.0.1:9", "--url", "http://127.0.0.1:9")
    for check in ("broker", "streaming", "correlation"):
        assert found[check]["status"] == "warn"
    assert done.code == 0


def test_a_broker_that_runs(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_ports(monkeypatch)
    monkeypatch.setenv("SUMMIT_CORRELATION_URL", "http://127.0.0.1:9")
    with EmbeddedBroker.in_memory() as broker:
        port = broker.address.rpartition(":")[2]
        monkeypatch.setenv("SUMMIT_BROKER__PORT", port)
        found, _ = looks("-b", broker.address, "--url", "http://127.0.0.1:9")
    assert found["broker"]["status"] == found["groups"]["status"] == "ok"
    assert "listens there" in found[f"port {port}"]["detail"]


def test_the_states_of_a_data_directory(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_ports(monkeypatch)
    data = bare / "data"

    def state() -> tuple[str, str]:
        found = looks("--offline", "--data-dir", str(data))[0]["data directory"]
        return found["status"], found["detail"]

    assert "not there yet" in state()[1]
    data.write_text("")
    assert state()[0] == "fail"
    data.unlink()
    data.mkdir()
    assert "empty" in state()[1]
    (data / "letter").write_text("dear")
    assert state()[0] == "warn"
    (data / "meta.properties").write_text("")
    assert "not closed cleanly" in state()[1]
    (data / "clean-shutdown").write_text("")
    assert state()[0] == "ok"
    lock = OsFiles().lock(str(data / ".lock"))
    assert "in use by process" in state()[1]
    lock.release()


def test_thresholds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def disk(total: int, free: int) -> str:
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: (total, total - free, free))
        return next(machine.disk(str(tmp_path))).status

    assert [disk(1 << 40, 1 << 39), disk(1 << 40, 1 << 30), disk(1 << 40, 1 << 20)] == [
        "ok", "warn", "fail",
    ]  # fmt: skip
    assert machine._missing("no-such-package-of-ours>=1") == ["no-such-package-of-ours is missing"]
    assert "is needed" in machine._missing("click>=999")[0]
    assert machine._missing("click>=8.1") == []
    rows = {"slow": [{"lag": 9_000}, {"lag": 9_000}], "fast": [{"lag": 1}, {"lag": None}]}
    (slow,) = group_findings(rows)
    assert (slow.check, slow.status) == ("group slow", "warn")
