"""`summit detect`: rules over files, once, through the same machinery as a running system."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

# What acts on events of files; a route leads nowhere here, and groups are no alerts.
_ACTING = ("pattern", "query", "filter", "transformation", "enrichment")
FORMATS = ("auto", "sshd", "syslog", "jsonl", "line")


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--rules",
    "-r",
    "places",
    multiple=True,
    required=True,
    metavar="FILE|DIR",
    help="Rules to run; may be repeated.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="How lines become events; auto tells JSON lines from log lines.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["info", "low", "medium", "high", "critical"]),
    help="Exit with 1 when an alert has this severity or a higher one.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Lines for people, or one JSON object per alert.",
)
def detect(
    files: Sequence[str], places: Sequence[str], form: str, fail_on: str | None, output: str
) -> None:
    """Run rules over FILEs once and print the alerts.

    Filters, transformations and enrichments among the rules act before patterns and queries. `-` is
    standard input. Events of several files are taken in the order of their times. Alerts go to
    standard output, a summary to standard error.
    """
    from summit.alerts.severity import severity_rank
    from summit.base.logs import configure
    from summit.cli.detect.inputs import open_inputs
    from summit.cli.detect.report import Report
    from summit.cli.detect.run import Detection

    configure("error")  # lines that cannot be read are counted and told at the end
    documents, left_out = _rules(places)
    with tempfile.TemporaryDirectory(prefix="summit-detect-") as directory:
        inputs = open_inputs(files, form, Path(directory))
        report = Report(output)
        report.left_out(left_out)
        asyncio.run(Detection(Path(directory), documents, inputs, report).run())
    failed = fail_on is not None and any(
        severity_rank(severity) >= severity_rank(fail_on) for severity in report.severities
    )
    sys.exit(1 if failed else 0)


def _rules(places: Sequence[str]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The documents that act, and how many of which kind do not."""
    from summit.base.errors import Invalid
    from summit.cli.rule_files import load_documents
    from summit.services.definition_kinds import check_definition

    checked = [check_definition(parsed) for parsed in load_documents(places)]
    documents = [one.document for one in checked if one.kind in _ACTING]
    if not any(document["kind"] in ("pattern", "query") for document in documents):
        raise Invalid("rules.none", places=", ".join(places))
    return documents, Counter(one.kind for one in checked if one.kind not in _ACTING)
