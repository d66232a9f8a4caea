"""The workers' figures under Prometheus' conventions."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from summit.journal.worker_figures import RuleFigures, WorkerFigures
from summit.services.worker_families import WorkerSample, of_workers

BUSY = WorkerFigures(
    id="a", host="edge", pid=7, events=100, state_bytes=4_200, commits=9, aborts=1, restores=2,
    restored_records=30, restore_ms=1_500, restoring=(1, 4), commit_wait_ms=250,
    commit_wait_share=0.25,
    rules={"r": RuleFigures(matches=3, keys=5, runs=8, keys_evicted=2, runs_evicted=1)},
)  # fmt: skip


class Families:
    def __init__(self, *samples: WorkerSample) -> None:
        self._samples = samples

    def collect(self) -> object:
        return of_workers(self._samples)


def lines(*samples: WorkerSample) -> set[str]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families(*samples))  # type: ignore[arg-type]
    return set(generate_latest(registry).decode().splitlines())


def test_counters_gauges_and_labels() -> None:
    quiet = WorkerSample(WorkerFigures(id="b"), 0, {}, 0)
    text = lines(WorkerSample(BUSY, 64, {"my/topic/3": 12}, 4), quiet)
    assert text >= {
        'summit_worker_info{host="edge",pid="7",worker="a"} 1.0',
        'summit_worker_events_total{worker="a"} 100.0',
        'summit_worker_events_total{worker="b"} 0.0',
        'summit_worker_commits_total{worker="a"} 9.0',
        'summit_worker_aborts_total{worker="a"} 1.0',
        'summit_worker_state_bytes_total{worker="a"} 4200.0',
        'summit_worker_state_bytes_per_event{worker="a"} 42.0',
        'summit_worker_state_bytes_per_event{worker="b"} 0.0',
        'summit_worker_restores_total{worker="a"} 2.0',
        'summit_worker_restored_records_total{worker="a"} 30.0',
        'summit_worker_restore_seconds_total{worker="a"} 1.5',
        'summit_worker_restore_ratio{worker="a"} 0.25',
        'summit_worker_restore_ratio{worker="b"} 1.0',
        'summit_worker_commit_wait_seconds_total{worker="a"} 0.25',
        'summit_worker_commit_wait_ratio{worker="a"} 0.25',
        'summit_worker_key_groups{worker="a"} 64.0',
        'summit_worker_exchange_lag{worker="a"} 4.0',
        'summit_worker_input_lag{partition="3",topic="my/topic",worker="a"} 12.0',
        'summit_rule_matches_total{rule="r",worker="a"} 3.0',
        'summit_rule_evicted_keys_total{rule="r",worker="a"} 2.0',
        'summit_rule_evicted_runs_total{rule="r",worker="a"} 1.0',
        'summit_rule_keys{rule="r",worker="a"} 5.0',
        'summit_rule_runs{rule="r",worker="a"} 8.0',
    }


def test_every_family_has_a_type_and_a_unit_as_prometheus_wants() -> None:
    text = lines(WorkerSample(BUSY, 64, {"t/0": 1}, 0))
    types = {line.split()[2]: line.split()[3] for line in text if line.startswith("# TYPE")}
    assert all(name.startswith(("summit_worker_", "summit_rule_")) for name in types)
    for name, kind in types.items():
        assert (kind == "counter") == name.endswith("_total"), name
