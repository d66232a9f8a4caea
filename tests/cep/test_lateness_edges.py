"""Rules with `allowedLateness` at their limits: large keys, quiet keys, partitions that rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cep.plans import by_time, chunk, event

from summit.cep.rules import compile_rules
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.events.times import TIME_MS_MAX
from summit.keyed.keygroups import KEY_GROUPS
from summit.keyed.processor import Processor
from summit.log.settings import LogConfig

MINUTE = 60_000
HOUR = 60 * MINUTE


def plan_of(**more: Any) -> PatternPlan:
    document = {
        "kind": "pattern", "id": "p", "groupBy": ["user"], "allowedLateness": MINUTE,
        "action": {"type": "alert"}, **more,
    }  # fmt: skip
    return validate_pattern(document).plan


def processor_of(plan: PatternPlan) -> Processor:
    processor = Processor(compile_rules([plan], [by_time(0)]))
    processor.hold(range(KEY_GROUPS))
    return processor


def tumbling(having: str, size: str = "1h") -> dict[str, Any]:
    return {
        "where": "eventType == 'a'",
        "window": {"type": "tumbling", "size": size},
        "having": having,
    }


SINGLE: dict[str, Any] = {"steps": [{"name": "a", "where": "eventType == 'a'"}]}


@pytest.mark.parametrize("rule", [tumbling("count() >= 3"), SINGLE], ids=["window", "steps"])
@pytest.mark.parametrize("apart_ms", [1, 0])
def test_a_key_fits_in_a_record(rule: dict[str, Any], apart_ms: int) -> None:
    plan = plan_of(**rule)
    processor = processor_of(plan)
    body = {"eventType": "a", "user": "u", "x": "y" * 150}
    values = [
        json.dumps({**body, "timestamp": 1_000 + apart_ms * n}).encode() for n in range(9_000)
    ]
    found = processor.apply([chunk(*values[:-1])]).outputs.found
    found += processor.apply([chunk(event("c", 20_000, user="v"), first=8_999)]).outputs.found
    data = [processor.dump(key) for key in processor.state_keys()]
    assert max(len(each) for each in data if each) < LogConfig().max_message_bytes * 0.8
    assert processor.rule_stats()["p"]["settled_early"] > 0
    # A late event still counts among those that are kept.
    found += processor.apply([chunk(values[-1], first=9_000)]).outputs.found
    found += processor.apply([], TIME_MS_MAX).outputs.found
    assert processor.rule_stats()["p"]["late_taken"] == 1
    assert not any(match.withdrawn or match.revision for match in found)
    assert (len(found) == 9_000) if plan.window is None else (found[-1].count == 9_000)
