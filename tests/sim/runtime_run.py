"""The simulated workers, seed after seed: every kind of run that the tests make a few of.

    python -m tests.sim.runtime_run --first 20000 --seeds 1000 --minutes 60
    python -m tests.sim.runtime_run 20017 --only changing-eventTime-5       replay one run

A seed is a run of each kind in both orders of time with 1, 2 and 5 workers, and one of an app of
operators. The first line is told at once, then one for each bad run, with the command that
replays it.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial

from tests.sim import test_correlations_sim, test_queries_sim, test_runtime_sim
from tests.streams import test_runtime_sim as test_apps_sim

Run = Callable[[int], None]


def every_kind() -> dict[str, Run]:
    """What a seed is run through, by name."""
    rules, apps = test_runtime_sim, test_apps_sim
    kinds: dict[str, Run] = {}
    for count in (1, 2, 5):
        for order, is_ordered in (("arrival", False), ("eventTime", True)):
            same, changing = (
                (rules.IN_ORDER, rules.CHANGING_IN_ORDER)
                if is_ordered
                else (rules.ARRIVAL, rules.CHANGING)
            )
            at = f"{order}-{count}"
            kinds[f"rules-{at}"] = partial(
                rules.test_any_schedule_finds_what_one_engine_finds, same, count=count
            )
            kinds[f"changing-{at}"] = partial(
                rules.test_rules_may_change_at_any_time, changing, count=count
            )
            kinds[f"queries-{at}"] = partial(
                test_queries_sim.test_any_schedule_tells_each_result_once, is_ordered, count=count
            )
            kinds[f"correlations-{at}"] = partial(
                test_correlations_sim.test_any_schedule_tells_each_group_once,
                is_ordered, count=count,
            )  # fmt: skip
    kinds["apps"] = apps.test_any_schedule_gives_what_an_independent_reading_finds
    return kinds


def run_all(first: int, seeds: int, minutes: float, kinds: dict[str, Run]) -> int:
    """Seed after seed; how many runs were bad."""
    began = time.monotonic()
    count = bad = 0
    for seed in range(first, first + seeds):
        for name, run in kinds.items():
            if time.monotonic() - began > minutes * 60:
                break
            count += 1
            try:
                run(seed)
            except Exception as error:  # noqa: BLE001
                bad += 1
                place = traceback.extract_tb(error.__traceback__)[-1]
                print(f"seed {seed} {name}: {type(error).__name__} at {place.name}:{place.lineno}")
                print(f"  replay: python -m tests.sim.runtime_run {seed} --only {name}", flush=True)
        if (seed - first) % 10 == 0:
            spent = (time.monotonic() - began) / 60
            print(f"to seed {seed}: {count} runs, {bad} bad, {spent:.1f} minutes", flush=True)
    print(f"{count} runs, {bad} bad")
    return bad


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.runtime_run")
    parser.add_argument("seed", nargs="?", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--only", default="", help="names of kinds that begin with this")
    options = parser.parse_args(arguments)
    kinds = {name: run for name, run in every_kind().items() if name.startswith(options.only)}
    if options.seed is None:
        return min(1, run_all(options.first, options.seeds, options.minutes, kinds))
    for name, run in kinds.items():
        run(options.seed)
        print(f"seed {options.seed} {name}: good")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
