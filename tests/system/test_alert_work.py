"""Work on alerts over REST and by commands: decided on the log, kept over kill -9 and restarts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from tests.system.rest import Rest, problem
from tests.system.running import Running

NOW_MS = 1_700_000_000_000


def rule(name: str, severity: str, event_type: str) -> dict[str, Any]:
    return {
        "id": name, "name": name, "topics": ["events"], "tags": ["attack.t1110", name],
        "conditions": [{"field": "eventType", "operator": "eq", "value": event_type,
                        "eventType": event_type}],
        "groupBy": ["user"],
        "action": {"type": "alert", "config": {"severity": severity, "title": "Saw ${user}"}},
    }  # fmt: skip


def post(rest: Rest, path: str, body: Any = None, status: int = 200) -> Any:
    got, reply = rest("POST", path, body)
    assert got == status, reply
    return reply


def get(rest: Rest, path: str) -> Any:
    got, reply = rest("GET", path)
    assert got == 200, reply
    return reply


def raise_alert(rest: Rest, event_type: str, user: str) -> dict[str, Any]:
    """Post an event; the alert that came of it."""
    known = {alert["id"] for alert in get(rest, "/api/alerts?limit=1000")["alerts"]}
    event = {
        "eventType": event_type, "user": user, "timestamp": NOW_MS, "eventId": uuid.uuid4().hex,
    }  # fmt: skip
    for _ in range(10):  # on a busy machine it may be 503, "post it again"
        status, reply = rest("POST", "/api/events", event)
        if status != 503:
            break
    assert status == 200, reply
    found = get(rest, "/api/alerts?limit=1000")["alerts"]
    (alert,) = [each for each in found if each["id"] not in known]
    shown: dict[str, Any] = get(rest, f"/api/alerts/{alert['id']}")
    return shown


def user() -> str:
    return f"u-{uuid.uuid4().hex[:8]}"


def command(servers: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "summit", "alerts", *arguments, "-b", servers, "-o", "json"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def statuses(rest: Rest, *alerts: dict[str, Any]) -> list[str]:
    return [get(rest, f"/api/alerts/{alert['id']}")["status"] for alert in alerts]


def test_alerts_are_worked_on_over_rest(system: Running) -> None:
    rest = Rest(system.ready["correlation"])
    post(rest, "/api/patterns", rule("seen", "low", "seen"))
    post(rest, "/api/patterns", rule("grave", "critical", "grave"))
    who = user()
    alert = raise_alert(rest, "seen", who)
    assert (alert["status"], alert["occurrences"]) == ("firing", 1)
    assert get(rest, f"/api/alerts/{alert['id']}/history")["history"] == []
    assert [each["id"] for each in alert["attack"]] == ["T1110"]
    path = f"/api/alerts/{alert['id']}"
    reply = post(rest, f"{path}/acknowledge", {"by": "ann", "note": "looking"})
    assert (reply["status"], reply["acknowledgedBy"]) == ("acknowledged", "ann")
    problem(rest("POST", f"{path}/acknowledge", {"by": "bob"}), 409, "alert.not_firing")
    problem(rest("POST", f"{path}/acknowledge", {}), 400, "web.json_invalid")
    problem(rest("POST", f"{path}/resolve", {"by": "a", "nte": ""}), 400, "web.json_invalid")
    problem(rest("POST", "/api/alerts/none/resolve", {"by": "ann"}), 404, "alert.unknown")
    post(rest, f"{path}/comment", {"by": "bob", "text": "seen before"})
    post(rest, f"{path}/assign", {"by": "bob", "to": "eve"})
    again = raise_alert(rest, "seen", who)
    assert (again["status"], again["duplicateOf"]) == ("duplicate", alert["id"])
    post(rest, f"{path}/resolve", {"by": "ann", "note": "a test"})
    shown = get(rest, path)
    assert (shown["status"], shown["assignee"], shown["occurrences"]) == ("resolved", "eve", 2)
    assert [comment["text"] for comment in shown["comments"]] == ["seen before"]
    history = get(rest, f"{path}/history")["history"]
    assert [(h["what"], h["by"]) for h in history] == [
        ("acknowledge", "ann"), ("acknowledge", "bob"), ("comment", "bob"), ("assign", "bob"),
        ("resolve", "ann"),
    ]  # fmt: skip
    assert history[1]["refused"] == "the alert is acknowledged already, by ann"
    listed = get(rest, "/api/alerts?status=resolved&limit=1000")["alerts"]
    assert shown in listed
    stats = get(rest, "/api/stats")
    assert stats["duplicateAlerts"] >= 1
    problem(rest("GET", "/api/alerts/nobody/history"), 404, "alert.unknown")
    problem(rest("GET", "/api/alerts?status=gone"), 400, "alert.status_unknown")


def test_silences_inhibitions_and_cases_over_rest(system: Running) -> None:
    rest = Rest(system.ready["correlation"])
    post(rest, "/api/patterns", rule("seen", "low", "seen"))
    post(rest, "/api/patterns", rule("grave", "critical", "grave"))
    who = user()
    body = {"matchers": {"entity": f"user={who}", "severity": "low"}, "duration": "1h", "by": "ann"}
    made = post(rest, "/api/silences", body)
    quiet = raise_alert(rest, "seen", who)
    assert quiet["status"] == "silenced"
    assert made["id"] in [s["id"] for s in get(rest, "/api/silences")["silences"]]
    problem(rest("POST", "/api/silences", {**body, "matchers": {}}), 400, "alert.matchers")
    problem(rest("POST", "/api/silences", {**body, "until": 5}), 400, "web.json_invalid")
    problem(rest("DELETE", f"/api/silences/{made['id']}"), 400, "web.parameter")
    assert rest("DELETE", f"/api/silences/{made['id']}?by=ann")[0] == 200
    assert statuses(rest, quiet) == ["firing"]
    rules = {"source": {"severity": "critical"}, "target": {"rule": "seen"}, "by": "ann"}
    inhibition = post(rest, "/api/inhibitions", rules)["id"]
    loud = raise_alert(rest, "grave", who)
    assert statuses(rest, quiet, loud) == ["inhibited", "firing"]
    assert rest("DELETE", f"/api/inhibitions/{inhibition}?by=ann")[0] == 200
    assert statuses(rest, quiet) == ["firing"]
    (case,) = get(rest, f"/api/cases?entity=user={who}")["cases"]  # critical: at once
    assert (case["state"], case["alerts"]) == ("open", [loud["id"]])
    place = f"/api/cases/{case['id']}"
    post(rest, f"{place}/comment", {"by": "ann", "text": "calling them"})
    problem(rest("POST", f"/api/alerts/{case['id']}/comment", {}), 404, "alert.unknown")
    risks = {risk["entity"]: risk for risk in get(rest, "/api/risks?limit=1000")["risks"]}
    assert risks[f"user={who}"]["score"] >= 100
    assert post(rest, f"{place}/close", {"by": "ann", "reason": "a test"})["state"] == "closed"
    problem(rest("POST", f"{place}/close", {"by": "bob"}), 409, "alert.case_closed")
    history = get(rest, place)["history"]
    assert [each["what"] for each in history] == ["openCase", "comment", "closeCase", "closeCase"]
    assert [each for each in history if "refused" in each] == history[-1:]
    audit = get(rest, f"/api/audit?of={case['id']}")["audit"]
    assert [each["what"] for each in audit] == [
        "closeCase",
        "closeCase",
        "comment",
        "openCase",
    ]  # with the refused one
    assert audit[0]["refused"]
    by_hand = post(rest, "/api/cases", {"by": "ann", "entity": f"user={who}", "title": "Odd"})
    assert by_hand["previous"] == case["id"]


def test_commands_do_the_same(system: Running) -> None:
    rest, servers = Rest(system.ready["correlation"]), system.ready["broker"]
    post(rest, "/api/patterns", rule("seen", "low", "seen"))
    who = user()
    alert = raise_alert(rest, "seen", who)
    (row,) = command(servers, "ack", alert["id"], "--by", "ann", "--note", "looking")
    assert row["status"] == "acknowledged"
    command(servers, "comment", alert["id"], "hm", "--by", "bob")
    (made,) = command(servers, "silence", "--key", f"user={who}", "--for", "1h", "--by", "ann")
    listed = command(servers, "list", "--key", who, "--status", "silenced")
    assert [each["id"] for each in listed] == [alert["id"]]
    assert made["id"] in [each["id"] for each in command(servers, "silences")]
    command(servers, "unsilence", made["id"], "--by", "ann")
    (row,) = command(servers, "resolve", alert["id"], "--by", "ann")
    assert row["status"] == "resolved"
    shown = command(servers, "show", alert["id"])
    assert [each["what"] for each in shown["history"]] == ["acknowledge", "comment", "resolve"]
    (case,) = command(servers, "cases", "open", "--entity", f"user={who}", "--by", "ann")
    assert [c["id"] for c in command(servers, "cases", "list", "--entity", f"user={who}")] == [
        case["id"]
    ]
    command(servers, "cases", "close", case["id"], "--by", "ann")
    assert command(servers, "cases", "show", case["id"])["state"] == "closed"
    assert statuses(rest, alert) == ["resolved"]


def test_all_of_it_is_there_after_kill_9_and_after_a_restart(tmp_path: Path) -> None:
    options = ("streaming", "--port", "0", "--workers", "1", "--data-dir", str(tmp_path / "d"))
    before: dict[str, Any] = {}
    for number, end in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGTERM)):
        with Running(*options) as broker:
            servers = broker.ready["broker"]
            with Running("correlation", "--port", "0", "-b", servers) as service:
                rest = Rest(service.ready["correlation"])
                if number == 0:
                    post(rest, "/api/patterns", rule("seen", "high", "seen"))
                    first, second = (raise_alert(rest, "seen", f"u{n}") for n in range(2))
                    third = raise_alert(rest, "seen", "u0")
                    post(rest, f"/api/alerts/{first['id']}/acknowledge", {"by": "ann"})
                    post(rest, f"/api/alerts/{second['id']}/resolve", {"by": "ann"})
                    post(rest, "/api/silences", {
                        "matchers": {"rule": "seen"}, "duration": "1d", "by": "ann",
                    })  # fmt: skip
                    paths = [f"/api/alerts/{each['id']}" for each in (first, second, third)]
                    paths += [f"{path}/history" for path in paths]
                    paths += ["/api/silences", "/api/cases", "/api/audit"]
                now = {path: get(rest, path) for path in paths}
                assert now == (before or now)
                before = now
                service.end(end)
            broker.end(end)
    (case,) = before["/api/cases"]["cases"]
    assert (case["entities"], case["severity"]) == (["user=u0"], "high")
    assert before[paths[1]]["status"] == "resolved"
    assert before[paths[2]]["duplicateOf"] == paths[0].rpartition("/")[2]
