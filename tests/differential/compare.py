"""Recorded answers, and what differs between two sets of them.

A recording is one JSON file per module of scenarios: `{scenario: {step: {versions: answer}}}`;
versions in a row that were answered alike stand together, as "3-7".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

RECORDED = Path(__file__).parent / "recorded"

Answers = dict[str, dict[int, Any]]

_ABSENT = "(absent)"


class Difference(NamedTuple):
    """One value that two brokers do not have in common."""

    scenario: str
    step: str
    version: int
    path: str
    kafka: Any
    ours: Any


def told(found: Iterable[Difference]) -> Iterator[str]:
    """Differences in lines; versions that differ alike stand together."""
    alike: dict[tuple[str, str, str, str], list[int]] = {}
    for each in found:
        kafka, ours = (json.dumps(v, ensure_ascii=False, sort_keys=True) for v in each[4:])
        what = each.scenario, each.step, each.path or "answer", f"Kafka {kafka}, ours {ours}"
        alike.setdefault(what, []).append(each.version)
    for (scenario, step, path, what), versions in alike.items():
        spans = ",".join(span for span, _ in _gather(dict.fromkeys(versions, None)))
        yield f"{scenario} / {step} v{spans}: {path}: {what}"


def differences(scenario: str, kafka: Answers, ours: Answers) -> Iterator[Difference]:
    """Every difference of one scenario."""
    for step in kafka.keys() | ours.keys():
        theirs, mine = kafka.get(step, {}), ours.get(step, {})
        for version in sorted(theirs.keys() | mine.keys()):
            pair = theirs.get(version, _ABSENT), mine.get(version, _ABSENT)
            for path, a, b in _differ(*pair, ""):
                yield Difference(scenario, step, version, path, a, b)


def _differ(kafka: Any, ours: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(kafka, dict) and isinstance(ours, dict):
        for key in kafka.keys() | ours.keys():
            pair = kafka.get(key, _ABSENT), ours.get(key, _ABSENT)
            yield from _differ(*pair, f"{path}.{key}".lstrip("."))
    elif _is_named(kafka) and _is_named(ours):
        by_name = ({item["name"]: item for item in items} for items in (kafka, ours))
        yield from _differ(*by_name, path)
    elif isinstance(kafka, list) and isinstance(ours, list) and len(kafka) == len(ours):
        for n, pair in enumerate(zip(kafka, ours, strict=True)):
            yield from _differ(*pair, f"{path}[{n}]")
    elif kafka != ours or type(kafka) is not type(ours):
        yield path, kafka, ours


def _is_named(items: Any) -> bool:
    """Whether these are parts that each have a name of their own."""
    if not isinstance(items, list) or not items or not isinstance(items[0], dict):
        return False
    return len({item.get("name") for item in items} - {None}) == len(items)


def load(module: str) -> dict[str, Answers]:
    """Kafka's recorded answers to a module of scenarios."""
    text = json.loads((RECORDED / f"{module}.json").read_text(encoding="utf-8"))
    return {
        scenario: {step: dict(_spread(told)) for step, told in steps.items()}
        for scenario, steps in text.items()
    }


def save(module: str, scenarios: dict[str, Answers]) -> None:
    """Write a recording; one answer, one line."""
    lines = []
    for scenario, steps in scenarios.items():
        told = ",\n".join(
            f"    {json.dumps(f'{step}')}: {{\n" + ",\n".join(
                f"      {json.dumps(versions)}: {json.dumps(answer, sort_keys=True)}"
                for versions, answer in _gather(answers)
            ) + "\n    }"
            for step, answers in steps.items()
        )  # fmt: skip
        lines.append(f"  {json.dumps(scenario)}: {{\n{told}\n  }}")
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    RECORDED.mkdir(exist_ok=True)
    (RECORDED / f"{module}.json").write_text(text, encoding="utf-8")


def _gather(answers: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    versions = sorted(answers)
    start = 0
    for n in range(1, len(versions) + 1):
        if n < len(versions) and versions[n] == versions[n - 1] + 1 and (
            answers[versions[n]] == answers[versions[start]]
        ):  # fmt: skip
            continue
        first, last = versions[start], versions[n - 1]
        yield (str(first) if first == last else f"{first}-{last}"), answers[first]
        start = n


def _spread(told: dict[str, Any]) -> Iterator[tuple[int, Any]]:
    for versions, answer in told.items():
        first, _, last = versions.partition("-")
        for version in range(int(first), int(last or first) + 1):
            yield version, answer
