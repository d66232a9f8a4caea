"""Whether many rules together find what each finds alone: Sigma's, on events of several origins.

    python -m bench.cep.sigma_agreement DIR [--sigma DIR] [--events N] [--seed N]

DIR holds documents that `summit rules import-sigma` made; `--sigma` is a copy of SigmaHQ's
repository, whose regression events are taken too. To them come those of `sigma_rules`, and of each
two copies with members that are left out, exchanged, put into lists or containers, or of another
kind. Every predicate is evaluated by itself on the parsed event. Exit code 1 where they differ.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.cep.sigma_rules import events, plans

from summit.cep.rules import compile_rules
from summit.documents.plan import PatternPlan
from summit.events.event import parse_event
from summit.events.expressions import compile_predicate
from summit.events.layouts import EventLayout
from summit.keyed.chunks import Chunk
from summit.keyed.processor import Processor

TIME_MS = 1_700_000_000_000
FIXED = ("eventType", "timestamp")
SYSMON = {
    1: "process_creation", 3: "network_connection", 6: "driver_load", 7: "image_load",
    8: "create_remote_thread", 10: "process_access", 11: "file_event", 13: "registry_set",
    15: "create_stream_hash", 17: "pipe_created", 22: "dns_query", 23: "file_delete",
}  # fmt: skip
ODD = (0, 1, True, False, 4624, 4624.0, "4624", 1.5, None, {"a": 1})


def regression(folder: Path) -> Iterator[dict[str, Any]]:
    """SigmaHQ's regression events, flat, under each type that they may have with us."""
    decode = json.JSONDecoder().raw_decode
    for path in sorted(folder.glob("regression_data/**/*.json")):
        text, place = path.read_text(encoding="utf-8-sig").strip(), 0
        while place < len(text):
            found, place = decode(text, place)
            place += len(text[place:]) - len(text[place:].lstrip())
            yield from _typed(found.get("Event", found))


def _typed(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    data, system = event.get("EventData"), event.get("System", {})
    if not isinstance(data, dict):
        return
    number = system.get("EventID")
    number = number.get("#text") if isinstance(number, dict) else number
    kinds = {"process_creation", "security", "system", SYSMON.get(int(number), "other")}
    members = {name: value for name, value in data.items() if name != "EventType"}
    for kind in sorted(kinds):
        yield {"eventType": f"windows.{kind}", "timestamp": TIME_MS, **members,
               "EventID": number, "Channel": system.get("Channel")}  # fmt: skip


def changed(event: dict[str, Any], pool: dict[str, list[Any]], rand: random.Random) -> Any:
    """A copy with some members of another kind, or elsewhere."""
    found = dict(event)
    for name in [name for name in event if name not in FIXED]:
        chance = rand.random()
        if chance < 0.1:
            del found[name]
        elif chance < 0.2:
            found[name] = rand.choice(pool[name])
        elif chance < 0.25:
            found[name] = [rand.choice(pool[name]), rand.choice(pool[name])]
        elif chance < 0.3 and isinstance(found[name], str):
            found[name] = found[name].upper()
        elif chance < 0.33:
            found[name] = rand.choice(ODD)
    if rand.random() < 0.3:
        moved = [name for name in found if name not in FIXED and rand.random() < 0.5]
        inner = {name: found.pop(name) for name in moved}
        found[rand.choice(("data", "metadata", "enrichedData"))] = inner
    return found


def together(some: list[PatternPlan], values: list[bytes]) -> dict[int, set[str]]:
    """The rules that each event satisfies, by the processor; twice, as it remembers values."""
    processor = Processor(compile_rules(some))
    chunk = Chunk("events", 0, range(len(values)), [TIME_MS] * len(values), values)
    rounds = []
    for _ in range(2):
        found = defaultdict(set)
        for match in processor.apply((chunk,)).outputs.found:
            found[match.captures[0][1].offset].add(match.pattern_id)
        rounds.append(found)
    assert rounds[0] == rounds[1], "what is remembered must change nothing"
    return rounds[0]


def alone(some: list[PatternPlan], values: list[bytes]) -> dict[int, set[str]]:
    """The same, each predicate by itself."""
    by_type: dict[Any, list[tuple[str, Any]]] = defaultdict(list)
    for plan, rule in zip(some, compile_rules(some).rules, strict=True):
        assert plan.id == rule.id
        (step,) = plan.steps
        assert step.predicate is not None
        predicate = compile_predicate(step.predicate, EventLayout())
        for kind in rule.types or ("*",):
            by_type[kind].append((plan.id, predicate))
    found = {}
    for number, value in enumerate(values):
        event = parse_event(value)
        asked = by_type.get(event.event_type, []) + by_type["*"]
        found[number] = {name for name, predicate in asked if predicate(event)}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rules", type=Path)
    parser.add_argument("--sigma", type=Path)
    parser.add_argument("--events", type=int, default=1_500)
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args()
    some = [
        plan for plan in plans(given.rules) if len(plan.steps) == 1 and plan.window is None
    ]  # fmt: skip
    some.sort(key=lambda plan: plan.id)
    bodies = [] if given.sigma is None else list(regression(given.sigma))
    named = len(bodies)
    bodies += [json.loads(value) for value in events(given.events, given.seed)]
    pool: dict[str, list[Any]] = defaultdict(list)
    for body in bodies:
        for name, value in body.items():
            pool[name].append(value)
    rand = random.Random(given.seed)
    bodies += [changed(body, pool, rand) for body in bodies for _ in range(2)]
    values = [json.dumps(body).encode() for body in bodies]
    one, other = together(some, values), alone(some, values)
    wrong = [number for number in other if one.get(number, set()) != other[number]]
    print(json.dumps({
        "bench": "cep.sigma_agreement", "rules": len(some), "events": len(values),
        "regression_events": named, "matches": sum(map(len, other.values())),
        "rules_matched": len(set().union(*other.values())), "differing_events": len(wrong),
    }))  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
