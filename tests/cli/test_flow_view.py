"""How the flow and the state of keys look for people."""

from __future__ import annotations

from typing import Any

import pytest

from summit.cli.flow_view import print_flow
from summit.flow.describing import describe
from summit.flow.pausing import Pauses
from summit.flow.rules import rules_of
from summit.flow.seeing import Member, Seen
from summit.journal.definition_log import Definition
from summit.journal.progress import Progress
from summit.journal.progress_record import ProgressRecord
from summit.journal.worker_figures import RuleFigures, WorkerFigures

RULE = {
    "kind": "pattern", "id": "brute", "name": "Brute", "topics": ["auth"], "groupBy": ["ip"],
    "steps": [{"name": "failed", "where": 'eventType == "failed"', "times": 5},
              {"name": "entered", "where": 'eventType == "in"'}], "within": "60s",
    "action": {"type": "alert", "config": {"severity": "high", "title": "From ${ip}"}},
}  # fmt: skip


def definition(document: dict[str, Any], kind: str = "pattern") -> Definition:
    return Definition(
        kind=kind, id=str(document["id"]), document=document, offset=0, version=1, timestamp_ms=0
    )


def description(partitions: int = 2, restoring: tuple[int, int] | None = None) -> dict[str, Any]:
    figures = WorkerFigures(
        id="w-1", member="m-1", host="edge", pid=7, events=10, events_per_sec=2.5,
        inputs={"auth/0": 2.5}, state_bytes=420, state_records=6, commits=3, aborts=1,
        commit_wait_share=0.25, restoring=restoring,
        rules={"brute": RuleFigures(matches=1, keys=1, runs=2, keys_evicted=4, runs_evicted=5)},
    )  # fmt: skip
    progress = Progress()
    told = ProgressRecord(worker="w", groups=list(range(64)), runs=2, figures=figures)
    progress.told["w-1"] = told
    seen = Seen(
        {"auth": dict.fromkeys(range(partitions), (0, 10)), "auth.dlq": {0: (0, 1)},
         "alerts": {0: (0, 2)}},
        {}, [Member("m-1", "w", "/10.0.0.1", tuple(range(64)))], 5_000_000,
    )  # fmt: skip
    faulty = definition({"id": "bad"})
    paused = definition(Pauses(("auth",), ("brute",)).document(), "flow")
    definitions = [definition(RULE), faulty, paused]
    return describe(definitions, rules_of(definitions), progress, seen, 0)


def test_the_flow_is_shown_from_inputs_to_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    print_flow(description())
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    heads = [line.split("  ")[0] for line in lines if not line.startswith(" ")]
    assert heads == ["inputs", "workers", "key groups", "rules", "state", "outputs"]
    assert "  auth/0  at -  of 10  lag 10  2.5/s  worker w-1  paused" in lines
    (worker,) = (line for line in lines if "edge:7" in line)
    assert "active  64 key groups  2.5/s  0 alerts  2 unfinished matches  42 B/event" in worker
    assert "commit waits 25%" in worker
    (rule,) = (line for line in lines if "brute" in line)
    assert "paused" in rule
    assert "failed → entered" in rule
    assert "1 match, evicted 4 keys, 5 runs" in rule
    assert "4.768 MiB on disk" in shown.out
    assert "paused: auth, rule brute" in shown.err
    assert "rule 'bad' cannot run: pattern 'bad'" in shown.err
    assert "dropped 4 keys and 5 unfinished matches" in shown.err


def test_what_was_late_or_refused_is_told_of_a_worker(capsys: pytest.CaptureFixture[str]) -> None:
    flow = description()
    flow["workers"][0] |= {"late": 3, "rejected": 1}
    print_flow(flow)
    assert "0 alerts, 3 late, 1 rejected  2 unfinished matches" in capsys.readouterr().out


def test_many_rows_are_cut_and_the_ones_behind_stay(capsys: pytest.CaptureFixture[str]) -> None:
    flow = description(partitions=100)
    flow["inputs"][77]["lag"] = 5_000
    print_flow(flow)
    shown = capsys.readouterr().out
    assert "auth/77" in shown
    assert "… 60 more: -o json" in shown


def test_a_worker_that_restores_says_how_far(capsys: pytest.CaptureFixture[str]) -> None:
    print_flow(description(restoring=(1, 4)))
    assert "restoring 25%" in capsys.readouterr().out
