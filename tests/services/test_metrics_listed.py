"""One list of metrics: the document is the code's, and dashboards and alert rules keep to it."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"\b((?:summit|kafka|process)_[a-z0-9_]+)(\{[^}]*\})?")
BY = re.compile(r"\bby\s*\(([^)]*)\)")
LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
OF_PROMETHEUS = {"job", "instance", "le"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("metrics_list", ROOT / "tools/metrics_list.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def samples(tool: ModuleType) -> dict[str, set[str]]:
    """The labels of every sample that there is."""
    return {
        each.name + suffix: {*each.labels, *OF_PROMETHEUS}
        for each in tool.listed()
        for suffix in SUFFIXES[each.kind]
    }


def expressions() -> Iterator[tuple[str, str, str]]:
    """Every expression with its place, and the text that is made of its labels."""
    for path in sorted((ROOT / "deploy/grafana").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"], target["legendFormat"]
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            text = " ".join(rule["annotations"].values())
            yield rule["alert"], rule["expr"], text


def problems(expression: str, text: str, samples: dict[str, set[str]]) -> list[str]:
    """What an expression names and nobody exposes."""
    found = []
    labels: set[str] = set(OF_PROMETHEUS)
    for name, selector in NAME.findall(expression):
        if name not in samples:
            found.append(f"no metric {name}")
            continue
        labels |= samples[name]
        found += [
            f"{name} has no {label}"
            for label in LABEL.findall(selector)
            if label not in samples[name]
        ]
    wanted = {part.strip() for names in BY.findall(expression) for part in names.split(",")}
    wanted |= set(re.findall(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}", text))
    found += [f"no label {label}" for label in wanted - labels]
    return found


def test_the_document_is_what_the_code_exposes(tool: ModuleType) -> None:
    assert tool.DOCUMENT.read_text(encoding="utf-8") == tool.document()


def test_dashboards_and_rules_name_what_there_is(samples: dict[str, set[str]]) -> None:
    every = list(expressions())
    assert len(every) > 60
    wrong = {
        place: bad for place, expr, text in every if (bad := problems(expr, text, samples))
    }  # fmt: skip
    assert wrong == {}


@pytest.mark.parametrize(
    ("expression", "text", "said"),
    [
        ("summit_worker_lagg", "", "no metric summit_worker_lagg"),
        ("summit_worker_events", "", "no metric summit_worker_events"),  # a counter has _total
        ('summit_worker_lag{rule="x"}', "", "summit_worker_lag has no rule"),
        ("sum by (rule) (summit_worker_lag)", "", "no label rule"),
        ("summit_worker_lag", "{{ $labels.rule }}", "no label rule"),
    ],
)
def test_what_is_wrong_is_found(
    samples: dict[str, set[str]], expression: str, text: str, said: str
) -> None:
    assert problems(expression, text, samples) == [said]


def test_panels_do_not_lie_over_each_other_and_ids_are_unique() -> None:
    uids = set()
    for path in sorted((ROOT / "deploy/grafana").glob("*.json")):
        board: dict[str, Any] = json.loads(path.read_text())
        uids.add(board["uid"])
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            }
            assert not cells & taken, (path.name, panel["title"])
            assert at["x"] + at["w"] <= 24
            taken |= cells
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len(uids) == 3
