"""`summit detect` on files: alerts with evidence, exit codes, real input against a plain script."""

import gzip
import json
import re
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.shared_data import shared_file
from tests.system.running import run

ROOT = Path(__file__).resolve().parents[2]
RULES = str(ROOT / "examples" / "ssh")
FAILED = "Dec 10 09:{:02}:{:02} host sshd[{}]: Failed password for root from {} port 4242 ssh2\n"


def brute_force(address: str, count: int, minute: int = 0) -> str:
    return "".join(FAILED.format(minute, n * 10, 100 + n, address) for n in range(count))


def alerts_of(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_evidence_names_the_bytes_of_the_file(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text(brute_force("203.0.113.9", 4) + brute_force("203.0.113.7", 6, minute=5))
    done = run("detect", "--rules", RULES, str(log), "-o", "json")
    assert done.returncode == 0, done.stderr
    (alert,) = alerts_of(done)
    assert alert["rule"] == "ssh-bruteforce"
    assert alert["key"] == {"sourceIP": "203.0.113.7"}
    assert alert["severity"] == "high"
    content = log.read_bytes()
    assert len(alert["evidence"]) == 5
    for evidence in alert["evidence"]:
        assert evidence["file"] == str(log)
        line = content[evidence["fileOffset"] :].splitlines()[0]
        assert b"Failed password" in line
        assert b"203.0.113.7" in line
    assert alert["last"] - alert["first"] == 40_000
    assert b"10 events" in done.stderr


def test_what_acts_before_the_rules_acts_here_too(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("""
{kind: pattern, id: d, groupBy: [h], steps: [{name: a, where: 'eventType == "a"'}],
 action: {type: alert, config: {title: "${h} ${secret} ${enrichedData.site.name}"}}}
---
{kind: transformation, id: m, eventType: "*", transformations: [{field: secret, operation: mask}]}
---
{kind: enrichment, id: site, eventType: "*", enrichmentType: lookup,
 config: {keyField: h, table: {x: {name: office}}}}
---
{kind: filter, id: f, action: exclude, where: 'h == "y"'}
---
{kind: correlation, id: c, eventTypes: [a], correlationKey: h, timeWindow: 1h, minEvents: 2}
""")
    log = tmp_path / "events.jsonl"
    rows = [{"eventType": "a", "h": h, "secret": "abcdef", "timestamp": 1_000} for h in "xy"]
    log.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"eventType": "a"}]))
    done = run("detect", "--rules", str(tmp_path / "rules.yaml"), str(log), "-o", "json")
    assert done.returncode == 0, done.stderr
    (alert,) = alerts_of(done)
    assert alert["title"] == "x ****** office"
    assert b"abcdef" not in done.stdout
    assert b"1 of kind correlation" in done.stderr
    assert b"1 event not used: event.no_key" in done.stderr


def test_repeated_message_counts_and_standard_input_works() -> None:
    text = (
        "Dec 10 07:13:56 h sshd[1]: message repeated 5 times: "
        "[ Failed password for root from 203.0.113.7 port 1 ssh2]\n"
    )
    done = run("detect", "--rules", RULES, "-", "-o", "json", stdin=text.encode())
    assert done.returncode == 0, done.stderr
    (alert,) = alerts_of(done)
    assert [e["src"].rpartition(":")[2] for e in alert["evidence"]] == ["0", "1", "2", "3", "4"]


def test_fail_on_and_bad_input(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text(brute_force("203.0.113.7", 5))
    assert run("detect", "--rules", RULES, str(log), "--fail-on", "high").returncode == 1
    assert run("detect", "--rules", RULES, str(log), "--fail-on", "critical").returncode == 0
    missing = run("detect", "--rules", RULES, str(tmp_path / "none.log"))
    assert missing.returncode == 1
    assert b"none.log" in missing.stderr
    bad = tmp_path / "bad.yaml"
    bad.write_text("kind: pattern\nid: x\nname: x\nsteps: [{where: 'eventType ==='}]\n")
    refused = run("detect", "--rules", str(bad), str(log))
    assert refused.returncode == 1
    assert b"/steps/0/where" in refused.stderr


def test_jsonl(tmp_path: Path) -> None:
    rows = [{"eventType": "auth.login.failed", "method": "password", "sourceIP": "1.2.3.4",
             "timestamp": 1_700_000_000_000 + n, "eventId": str(n), "user": "u"}
            for n in range(5)]  # fmt: skip
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + "not json\n")
    done = run("detect", "--rules", RULES, str(file), "-o", "json")
    assert len(alerts_of(done)) == 1
    assert b"1 line could not be read" in done.stderr


def independent_bruteforce(text: str) -> set[str]:
    """Addresses with 5 failed passwords within less than 60 s, by a plain loop over the lines."""
    times: dict[str, list[datetime]] = defaultdict(list)
    for line in text.splitlines():
        found = re.search(r"Failed password for .* from (\S+) port", line)
        if found and "sshd[" in line:
            again = re.search(r"message repeated (\d+) times: \[", line)
            at = datetime.strptime("2024 " + line[:15], "%Y %b %d %H:%M:%S")
            times[found[1]] += [at] * (int(again[1]) if again else 1)
    return {
        address
        for address, all_of in times.items()
        if any(b - a < timedelta(seconds=60) for a, b in zip(all_of, all_of[4:], strict=False))
    }


def test_real_log_of_a_server_under_attack() -> None:
    log = shared_file("data/openssh.log")
    expected = independent_bruteforce(log.read_text())
    assert len(expected) > 5
    done = run("detect", "--rules", RULES, str(log), "-o", "json")
    assert done.returncode == 0, done.stderr
    found = {a["key"]["sourceIP"] for a in alerts_of(done) if a["rule"] == "ssh-bruteforce"}
    assert found == expected


def test_rules_test_command(tmp_path: Path) -> None:
    done = run("rules", "test", RULES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"0 failed" in done.stderr
    wrong = (ROOT / "examples/ssh/rules.yaml").read_text().split("---")[0]
    wrong = wrong.replace("expect: {alerts: 1, severity: high}", "expect: {alerts: 2}")
    file = tmp_path / "wrong.yaml"
    file.write_text(wrong)
    failed = run("rules", "test", str(file), "-o", "json")
    assert failed.returncode == 1
    assert any(not json.loads(line)["passed"] for line in failed.stdout.splitlines())


@pytest.mark.parametrize("name", ["linux.log", "apache-error.log"])
def test_other_real_logs_are_read_whole(name: str) -> None:
    log = shared_file(f"data/{name}")
    done = run("detect", "--rules", RULES, str(log), "-o", "json")
    assert done.returncode == 0, done.stderr
    lines = len([line for line in log.read_bytes().splitlines() if line.strip()])
    events = int(re.search(rb"(\d+) events", done.stderr)[1])
    assert events >= lines


def hourly(address: str, start: int) -> str:
    """One failure an hour: far from any rule."""
    line = "Dec {:2} {:02}:{:02}:00 host sshd[1]: Failed password for root from {} port 1 ssh2\n"
    return "".join(
        line.format(10 + (start + n) // 24, (start + n) % 24, 30 if start else 0, address)
        for n in range(30)
    )


def test_files_written_side_by_side_or_named_newest_first_are_taken_by_time(tmp_path: Path) -> None:
    first, second = tmp_path / "auth.log.1", tmp_path / "auth.log"
    first.write_text(hourly("203.0.113.1", 0))
    second.write_text(hourly("203.0.113.1", 30))
    other = tmp_path / "other-host.log"
    other.write_text(hourly("203.0.113.2", 1))
    done = run("detect", "--rules", RULES, str(second), str(first), str(other), "-o", "json")
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert b"90 events from 3 files" in done.stderr


def test_an_attack_that_is_spread_over_two_files_is_found(tmp_path: Path) -> None:
    lines = brute_force("203.0.113.7", 6).splitlines(keepends=True)
    one, two = tmp_path / "a.log", tmp_path / "b.log"
    one.write_text("".join(lines[0::2]))
    two.write_text("".join(lines[1::2]))
    done = run("detect", "--rules", RULES, str(two), str(one), "-o", "json")
    (alert,) = alerts_of(done)
    assert [e["file"] for e in alert["evidence"]] == [
        str(one), str(two), str(one), str(two), str(one)
    ]  # fmt: skip
    times = [e["timestamp"] for e in alert["evidence"]]
    assert times == sorted(times)


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text(brute_force("203.0.113.7", 3))
    (tmp_path / "link.log").symlink_to(log)
    done = run("detect", "--rules", RULES, str(log), str(tmp_path / "link.log"))
    assert b"3 events from 1 file" in done.stderr
    assert done.stdout == b""


def test_json_lines_on_standard_input_and_an_empty_one() -> None:
    row = {"eventType": "auth.login.failed", "method": "password", "sourceIP": "1.2.3.4"}
    rows = [json.dumps({**row, "timestamp": 1_700_000_000_000 + n}) for n in range(5)]
    done = run("detect", "--rules", RULES, "-", "-o", "json", stdin="\n".join(rows).encode())
    (alert,) = alerts_of(done)
    assert {e["file"] for e in alert["evidence"]} == {"-"}
    empty = run("detect", "--rules", RULES, "-")
    assert (empty.returncode, empty.stdout) == (0, b"")
    assert b"0 events" in empty.stderr


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text(brute_force("203.0.113.7", 5))
    wrong = run("detect", "--rules", RULES, str(log), "--format", "jsonl")
    assert wrong.returncode == 1
    assert b"none of 5 lines is an event" in wrong.stderr
    assert b"--format" in wrong.stderr
    packed = tmp_path / "auth.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    refused = run("detect", "--rules", RULES, str(packed))
    assert refused.returncode == 1
    assert b"gzip" in refused.stderr
    collector = tmp_path / "collector.yaml"
    collector.write_text("kind: collector\nid: x\ntype: file\ntopic: t\npath: /x\n")
    nothing = run("detect", "--rules", str(collector), str(log))
    assert nothing.returncode == 1
    assert b"no rules found" in nothing.stderr
    for done in (wrong, refused, nothing):
        assert b"Traceback" not in done.stderr


def test_an_over_long_line_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text("y" * 600_000 + "\n" + brute_force("203.0.113.7", 5))
    done = run("detect", "--rules", RULES, str(log), "-o", "json")
    assert len(alerts_of(done)) == 1
    assert b"1 line could not be read" in done.stderr
