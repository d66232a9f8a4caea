"""`summit rules test`: the tests that documents bring along."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import click

from summit.cli.junit import Case, write_junit
from summit.cli.output import cell_text, output_option, print_item, say, talk

_ALERTS_SHOWN = 5
_NEAR_SHOWN = 3


@click.command("test")
@click.argument("places", nargs=-1, required=True, metavar="FILE|DIR...")
@click.option("--junit", metavar="FILE", help="Write the results to FILE as JUnit XML too.")
@output_option
def test(places: Sequence[str], junit: str | None, output: str | None) -> None:
    """Run the tests that the documents of FILE or DIR bring along; needs no broker.

    What filters, transformations and enrichments among them concern goes through these first.
    Exit code 1 when a test fails, 2 when a document is wrong.
    """
    from summit.cli.rule_files import load_documents
    from summit.event_processing import run_document_tests
    from summit.flow.stage_plans import stage_of
    from summit.services.definition_kinds import check_definition

    failed = total = 0
    untested = []
    cases: list[Case] = []
    documents = load_documents(places)
    for parsed in documents:
        check_definition(parsed)
    stage = stage_of({"kind": each.kind, "id": each.id, **each.values} for each in documents)
    for parsed in documents:
        if parsed.kind not in ("pattern", "query", "correlation"):
            continue
        begin = time.perf_counter()
        document = {"kind": parsed.kind, "id": parsed.id, **parsed.values}
        results = run_document_tests(document, stage)
        seconds = (time.perf_counter() - begin) / max(1, len(results))
        if not results:
            untested.append(parsed.id)
        for result in results:
            total += 1
            failed += not result.passed
            lines = list(_differences(parsed.kind, result))
            place = f"{parsed.place}{result.pointer}"
            cases.append(
                Case(parsed.id, result.name, place, seconds, result.failures, "\n".join(lines))
            )
            if print_item(_row(parsed.kind, parsed.id, result), output):
                continue
            say(f"{'ok  ' if result.passed else 'FAIL'} {parsed.id}: {result.name}")
            for line in lines:
                say(f"     {line}")
    if junit is not None:
        write_junit(junit, cases)
    if untested:
        talk(f"without tests: {', '.join(untested)}")
    talk(f"{total - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def _row(kind: str, rule: str, result: Any) -> dict[str, Any]:
    return {
        "rule": rule, "test": result.name, "passed": result.passed, "failures": result.failures,
        "expected": result.expected,
        "alerts" if kind == "pattern" else "rows": len(result.alerts),
        "nearMisses": [near.text for near in result.near_misses],
    }  # fmt: skip


def _differences(kind: str, result: Any) -> Iterator[str]:
    """What was expected (-) and what came (+), and why no more did."""
    if result.passed:
        return
    if kind != "pattern":
        yield from (f"- {failure}" for failure in result.failures)
        yield from (f"+ {cell_text(row)}" for row in result.alerts[:_ALERTS_SHOWN])
        return
    for name, wanted in result.expected.items():
        if name == "alerts":
            got = [str(len(result.alerts))]
        else:
            got = list(dict.fromkeys(str(alert.get(name)) for alert in result.alerts))
        if got != [str(wanted)] and (got or "alerts" not in result.expected):
            yield f"- {name}: {wanted}"
            yield from (f"+ {name}: {value}" for value in got)
    for alert in result.alerts[:_ALERTS_SHOWN]:
        key = ", ".join(f"{name} = {value}" for name, value in alert["key"].items())
        times = f"{alert['firstSeen']} to {alert['lastSeen']}"
        yield f"  alert: {alert['title']} ({key or 'one key'}; {alert['count']} events, {times})"
    if len(result.alerts) > _ALERTS_SHOWN:
        yield f"  and {len(result.alerts) - _ALERTS_SHOWN} more"
    if result.suppressed:
        yield f"  suppressed: {result.suppressed} more, for which an earlier alert stands"
    wanted = result.expected.get("alerts")
    if wanted is None or len(result.alerts) < wanted:
        for near in result.near_misses[:_NEAR_SHOWN]:
            yield f"  near-miss: {near.text}"
