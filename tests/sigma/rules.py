"""Sigma rules of our own for the tests."""

from __future__ import annotations

from typing import Any

from summit.sigma.importing import Result, import_rules, read_pipeline
from summit.sigma.logsources import SourceMapping, read_mapping

HEAD = """\
title: {title}
name: {name}
status: test
level: high
tags: [attack.t1059, attack.execution]
logsource: {{product: windows, category: process_creation}}
"""


def rule(detection: str, name: str = "one", title: str = "One") -> str:
    """A rule; the lines of `detection` stand below `detection:`."""
    lines = "".join(f"    {line}\n" for line in detection.strip().splitlines())
    return HEAD.format(name=name, title=title) + "detection:\n" + lines


def imported(
    *texts: str, mapping: dict[str, Any] | None = None, pipelines: tuple[str, ...] = ()
) -> Result:
    """What becomes of the rules of some files."""
    sources = SourceMapping() if mapping is None else read_mapping(mapping)
    named = [(f"{number}.yml", text) for number, text in enumerate(texts)]
    return import_rules(named, sources, [read_pipeline(text) for text in pipelines])


def document(*texts: str, **more: Any) -> dict[str, Any]:
    """The only document."""
    result = imported(*texts, **more)
    assert not result.refused, result.refused
    (one,) = result.imported
    return one.document
