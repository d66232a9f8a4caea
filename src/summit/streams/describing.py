"""An app as data: its parts and nodes, and how its event time stands."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from summit.operators.batch import NO_TIME_MS
from summit.operators.graph import Graph, Node, Repartition, Sink, Source
from summit.streams.plan import repartition_topic
from summit.streams.runtime import Runtime

GUARANTEE: Final = "exactly_once"


def described(graph: Graph, app_id: str, runtime: Runtime | None) -> list[dict[str, Any]]:
    """The parts of a graph with their nodes; see `StreamApp.describe`."""
    kept: Counter[str] = Counter()
    late: Counter[str] = Counter()
    for task in () if runtime is None else runtime.tasks:
        for name, (count, late_count) in task.counts().items():
            kept[name] += count
            late[name] += late_count

    def node_of(node: Node) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": node.name,
            "kind": node.kind,
            "from": [source.name for source in node.inputs],
        }
        if isinstance(node, Source | Sink):
            found["topic"] = node.topic
        if isinstance(node, Repartition):
            found["topic"] = repartition_topic(app_id, node.name)
        if node.name in kept:
            found |= {"kept": kept[node.name], "late": late[node.name]}
        return found

    return [
        {
            "name": part.name,
            "reads": [node_of(entry) for entry in part.entries],
            "nodes": [node_of(node) for node in part.nodes],
        }
        for part in graph.parts()
    ]


def clocks(runtime: Runtime) -> dict[str, int | None]:
    """How far event time has come, by part: where it is least of the slots here; None = nowhere."""
    found: dict[str, int | None] = {}
    for task in runtime.tasks:
        at = None if task.clock_ms == NO_TIME_MS else task.clock_ms
        name = task.part.name
        before = found.get(name, at)
        found[name] = None if at is None or before is None else min(at, before)
    return found
