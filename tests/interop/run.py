"""Other people's clients and suites against the broker, and a report card on standard output.

    python -m tests.interop.run [SUITE…] [--kills N] [--records N]

Suites: clients (our scenarios, the tests marked `interop`), kafka-python, go, streams, connect.
A failure whose reason stands in `suites/expected.json` is expected; any other fails the run, as
does an expected failure that passes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.interop import jvm
from tests.interop.suites import connect, franz_go, kafka_python, streams
from tests.interop.suites.rows import Row

EXPECTED = Path(__file__).parent / "suites" / "expected.json"
ORDER = ("failed", "unexpected", "expected", "skipped", "passed")


def clients() -> Iterator[Row]:
    """Our own scenarios with unmodified clients: the tests that are marked `interop`."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = ["-q", "-m", "interop", f"--junitxml={report.name}", "tests/interop"]
        subprocess.run([sys.executable, "-m", "pytest", *command], stdout=sys.stderr, check=False)
        for case in ET.parse(report.name).iter("testcase"):
            name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
            outcome, why = "passed", ""
            for child in case:
                if child.tag in ("failure", "error", "skipped"):
                    outcome = "skipped" if child.tag == "skipped" else "failed"
                    why = (child.get("message") or "").split("\n")[0]
            yield Row("clients", name, outcome, why)


def judged(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows, with failures told apart that are expected."""
    expected = json.loads(EXPECTED.read_text())
    for row in rows:
        reason = expected.get(row.suite, {}).get(row.name)
        if reason is None:
            yield row
        elif row.outcome == "failed":
            yield row._replace(outcome="expected", reason=reason)
        elif row.outcome == "passed":
            yield row._replace(outcome="unexpected", reason=f"passed; expected: {reason}")
        else:
            yield row


def needs_java(run: Callable[[], Iterator[Row]], name: str) -> Callable[[], Iterator[Row]]:
    def skipped() -> Iterator[Row]:
        yield Row(name, "all", "skipped", jvm.missing())

    return skipped if jvm.missing() else run


def print_card(rows: list[Row]) -> None:
    """What did not pass, with reasons, then the counts of each suite."""
    for row in sorted(rows, key=lambda row: (row.suite, ORDER.index(row.outcome))):
        if row.outcome != "passed" or row.reason:
            print(f"{row.outcome:10}  {row.suite}: {row.name}  {row.reason}")
    print()
    print(f"{'suite':14}" + "".join(f"{outcome:>12}" for outcome in reversed(ORDER)))
    for suite in dict.fromkeys(row.suite for row in rows):
        counts = Counter(row.outcome for row in rows if row.suite == suite)
        print(f"{suite:14}" + "".join(f"{counts[outcome]:12}" for outcome in reversed(ORDER)))


def main() -> int:
    """Run what was asked for, or everything. Returns: the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.run")
    parser.add_argument("suites", nargs="*")
    parser.add_argument("--kills", type=int, default=12, help="of Streams and its broker")
    parser.add_argument("--records", type=int, default=20_000, help="through franz-go's chains")
    options = parser.parse_args()
    suites: dict[str, Callable[[], Iterator[Row]]] = {
        "clients": clients,
        "kafka-python": kafka_python.run,
        "go": lambda: franz_go.run(options.records),
        "streams": needs_java(lambda: streams.run(options.kills), "streams"),
        "connect": needs_java(connect.run, "connect"),
    }
    unknown = set(options.suites) - set(suites)
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for name in options.suites or suites:
        try:
            for row in judged(suites[name]()):
                print(f"{row.outcome:10}  {row.suite}: {row.name}", file=sys.stderr, flush=True)
                rows.append(row)
        except Exception as error:  # noqa: BLE001  # one suite must not hide the others
            rows.append(Row(name, "the suite itself", "failed", f"{error!r}"))
    print_card(rows)
    return any(row.outcome in ("failed", "unexpected") for row in rows)


if __name__ == "__main__":
    sys.exit(main())
