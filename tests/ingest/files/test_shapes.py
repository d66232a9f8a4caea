"""Lines of each format as events."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.files.test_collector import messages, read_batch, sources
from tests.ingest.memory_log import MemoryLog
from tests.shared_data import shared_file

from summit.base.clock import ManualClock
from summit.base.errors import Invalid
from summit.ingest import FileOptions
from summit.ingest.files.lines import Line
from summit.ingest.files.shapes import Origin, make_shape

CHANGED_MS = int(datetime(2024, 3, 1, tzinfo=UTC).timestamp() * 1000)
FAILED = "Failed password for root from 192.0.2.7 port 42393 ssh2"


def shaped(text: str | bytes, clock: ManualClock | None = None, **options: Any) -> list[Any]:
    data = text.encode() if isinstance(text, str) else text
    origin = Origin("/var/log/x", "1-2-3-ab", CHANGED_MS)
    config = FileOptions(**{"mode": "batch", **options})
    shape = make_shape(config, origin, clock=clock or ManualClock())
    return [json.loads(one.value) for one in shape(Line(64, 0, data, len(data)))]


def test_plain_lines() -> None:
    clock = ManualClock(5)
    assert shaped("hello", clock, format="line", event_type="app.line") == [
        {
            "eventId": "file:1-2-3-ab:64:0",
            "eventType": "app.line",
            "timestamp": 5,
            "source": "/var/log/x",
            "message": "hello",
        }
    ]
    assert shaped("  \t", format="line") == []


def test_one_repeated_line_is_many_events() -> None:
    line = f"Dec 10 07:13:56 LabSZ sshd[24227]: message repeated 5 times: [ {FAILED}]"
    events = shaped(line, format="sshd")
    assert [event["eventId"] for event in events] == [f"file:1-2-3-ab:64:{n}" for n in range(5)]
    assert {event["eventType"] for event in events} == {"auth.login.failed"}
    assert {(event["sourceIP"], event["user"], event["host"]) for event in events} == {
        ("192.0.2.7", "root", "LabSZ")
    }
    assert {event["raw"] for event in events} == {line}
    # The tenth of December before the file's last change.
    at = datetime(2023, 12, 10, 7, 13, 56, tzinfo=UTC)
    assert {event["timestamp"] for event in events} == {int(at.timestamp() * 1000)}


def test_years_of_times_that_name_none() -> None:
    text = "Dec 31 23:59:59 h cron[1]: x"

    def year(clock: ManualClock | None = None, **options: Any) -> int:
        (event,) = shaped(text, clock, format="syslog", **options)
        return datetime.fromtimestamp(event["timestamp"] / 1000, UTC).year

    assert year() == 2023
    assert year(year=2019) == 2019
    assert year(ManualClock(CHANGED_MS), mode="tail") == 2023
    clock = ManualClock(int(datetime(2025, 12, 31, 12, tzinfo=UTC).timestamp() * 1000))
    assert year(clock, mode="tail") == 2025
    # New Year's Eve passes while the file is being followed.
    origin = Origin("/x", "i", 0)
    shape = make_shape(FileOptions(format="syslog"), origin, clock=clock)
    clock.advance(86_400_000)
    line = b"Jan  1 00:00:01 h cron[1]: x"
    (one,) = shape(Line(0, 0, line, len(line)))
    assert datetime.fromtimestamp(json.loads(one.value)["timestamp"] / 1000, UTC).year == 2026


def test_a_line_of_another_kind_stays_an_event() -> None:
    (event,) = shaped("no syslog at all", format="sshd", event_type="other")
    assert (event["eventType"], event["message"]) == ("other", "no syslog at all")
    assert event["timestamp"] == CHANGED_MS


def test_bytes_that_are_no_utf8() -> None:
    data = b"Dec 10 07:13:56 h sshd[1]: Invalid user \xe9 from 192.0.2.7"
    (event,) = shaped(data, format="sshd")
    assert event["user"] == "\ufffd"
    assert base64.b64decode(event["rawBase64"]) == data


def test_a_json_line_that_is_no_object_names_its_place() -> None:
    with pytest.raises(Invalid, match=r"/var/log/x:64 is not an event"):
        shaped("[1]", format="jsonl")


def test_a_known_first_year_runs_on_and_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "old.log"
    first = ["Nov 30 00:00:00 h a: 1", "Dec 31 00:00:00 h a: 2", "Jan  1 00:00:00 h a: 3"]
    path.write_text("\n".join(first) + "\n")
    log = MemoryLog(1)
    read_batch(log, path, file={"format": "syslog", "year": 2001})
    with path.open("a") as out:
        out.write("Jun  1 00:00:00 h a: 4\n")
    read_batch(log, path, file={"format": "syslog", "year": 2001})
    times = [json.loads(record.value or b"")["timestamp"] for record in log.records("t")]
    assert [datetime.fromtimestamp(ms / 1000, UTC).year for ms in times] == [2001, 2001, 2002, 2002]
    assert messages(log) == ["1", "2", "3", "4"]


def test_a_real_log_counted_by_an_independent_script(tmp_path: Path) -> None:
    path = shared_file("data/openssh.log")
    log = MemoryLog(3)
    read_batch(log, path, file={"format": "sshd"})
    expected: Counter[str] = Counter()
    total = 0
    for line in path.read_text(errors="replace").splitlines():
        repeated = re.search(r"message repeated (\d+) times: \[", line)
        count = int(repeated[1]) if repeated else 1
        total += count
        if found := re.search(r"Failed password for .* from (\d+\.\d+\.\d+\.\d+) port", line):
            expected[found[1]] += count
    events = [json.loads(record.value or b"") for record in log.records("t")]
    failed = Counter(
        event["sourceIP"]
        for event in events
        if event["eventType"] == "auth.login.failed" and event.get("method") == "password"
    )
    assert failed == expected
    assert len(events) == len(set(sources(log))) == total
    assert all("timestamp" in event and event["raw"] for event in events)
