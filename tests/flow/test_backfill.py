"""Rules that begin with the past: what one reader would find in all of it, once, and then live."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.flow.test_replay import replayed, written
from tests.flow.test_replay_kinds import GROUPS, SUMS
from tests.flow.test_stage_sources import intel
from tests.flow.worker_process import WorkerProcess
from tests.flow.world import T0, World, failure, five_failures, read_topic, until, world
from tests.sources.services import service
from tests.webhook import Webhook

from summit.alerts import encode_alert
from summit.cli.main import root
from summit.flow import backfilling
from summit.flow.backfill_keeping import Backfills

COMMITTED = {"isolationLevel": "read_committed"}


async def begin(w: World, rule: dict[str, Any], since: Any = "earliest", **more: Any) -> None:
    """Apply a rule that begins with the past; the workers go by that."""
    kind = rule["kind"]
    name = rule["id"] if kind == "pattern" else f"{kind}:{rule['id']}"
    await w.apply({"kind": "backfill", "id": name, "since": since, **more}, rule)


async def live(w: World, rule: str, timeout_s: float = 60) -> None:
    """Wait until the workers go by the rule."""

    def there() -> bool:
        found = w.definitions.log.get("backfill", rule)
        return found is not None and "live" in found.document

    await until(there, timeout_s)
    found = w.definitions.log.get("backfill", rule)
    assert found is not None
    await w.alerts.wait_active(found.offset, int(timeout_s * 1000))


def fives(first: int, count: int, ips: int = 7) -> list[dict[str, Any]]:
    return [failure(n * 0.1, f"ip{n % ips}") for n in range(first, first + count)]


def found_in(events: list[dict[str, Any]], times: int = 5) -> Counter[tuple[str, int]]:
    """By hand: each fifth failure of an address, and the event time at which it comes."""
    seen: Counter[str] = Counter()
    found: Counter[tuple[str, int]] = Counter()
    for event in events:
        seen[event["ip"]] += 1
        if seen[event["ip"]] % times == 0:
            found[event["ip"], event["timestamp"]] += 1
    return found


def raised(w: World, rule: str) -> Counter[tuple[str, int]]:
    return Counter(
        (alert.key["ip"], alert.timestamp) for alert in w.all_alerts() if alert.pattern == rule
    )


async def command(w: World, *words: str) -> Result:
    """What `summit` says to that."""
    servers = ",".join(w.servers)
    done = await asyncio.to_thread(CliRunner().invoke, root, [*words, "-b", servers])
    assert done.exit_code == 0, done.output
    return done


def test_the_past_then_live_without_a_gap(each_backend: list[str], tmp_path: Path) -> None:
    events = fives(0, 300)
    file = tmp_path / "late.json"
    file.write_text(json.dumps(five_failures("late")))

    async def run() -> None:
        async with world(each_backend) as w:
            worker = await w.start_worker()
            await w.apply(five_failures("other", topics=["auth"]))
            await w.settle(await w.send(*events[:103]))
            said = await command(w, "rules", "apply", str(file), "--since", "9d")
            assert "the past is read first" in said.output
            for n in range(103, 200, 10):
                await w.send(*events[n : min(n + 10, 200)])
            await live(w, "late")
            described = json.loads((await command(w, "flow", "describe", "-o", "json")).stdout)
            states = {row["id"]: (row["state"], row["reads"]) for row in described["rules"]}
            assert states == {"late": ("active", ["auth"]), "other": ("active", ["auth"])}
            await w.settle(await w.send(*events[200:]))
            expected = found_in(events)
            await until(lambda: raised(w, "late").total() >= expected.total())
            assert raised(w, "late") == raised(w, "other") == expected
            await until(lambda: worker.status()["byRule"]["late"]["keys"] == 7)
            assert worker.metrics.loose_switches == 0
            await until(  # they are counted when the commit is answered
                lambda: worker.metrics.matches_by_rule["late"] == expected.total()
            )
            await worker.stop()
            # A replay gives both: what each has found, in the past and then live.
            found, result = await replayed(w)
            assert sorted(map(encode_alert, found)) == sorted(await written(w))
            assert result.alerts == 2 * expected.total()
            only, _ = await replayed(w, rule_ids=["late"])
            assert {alert.pattern for alert in only} == {"late"}
            assert len(only) == expected.total()

    asyncio.run(run())


def test_from_a_time_from_an_offset_and_once_more(servers: list[str]) -> None:
    events = fives(0, 210)

    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            for first in (0, 70, 140):
                await w.send(*events[first : first + 70], timestamp=T0 + first * 100)
            await begin(w, five_failures("time"), since=T0 + 7_000)
            await live(w, "time")
            await until(lambda: raised(w, "time") == found_in(events[70:]))
            await begin(w, five_failures("offset"), offsets={"auth/0": 30})
            await live(w, "offset")
            await until(lambda: raised(w, "offset") == found_in(events[30:]))
            # A rule that has acted begins anew: what it has raised before stays alone.
            await w.apply(five_failures("again", topics=["auth"]))
            place = await w.send(*fives(210, 70), timestamp=T0 + 21_000)
            await w.settle(place)
            assert raised(w, "again") == found_in(fives(210, 70))
            events.extend(fives(210, 70))
            await begin(w, five_failures("again", topics=["auth"]))
            await live(w, "again")
            await w.settle(await w.send(*fives(280, 70), timestamp=T0 + 28_000))
            events.extend(fives(280, 70))
            await until(lambda: raised(w, "again") == found_in(events))
            records = await read_topic(servers, "alerts", len(w.all_alerts()), **COMMITTED)
            ids = Counter(record.key for record in records)
            assert set(ids.values()) == {1}
            # What was kept for it is deleted once everybody has taken it up.
            await until(lambda: worker.metrics.lag == 0)
            await nothing_is_left(servers)

    asyncio.run(run())


async def nothing_is_left(servers: list[str]) -> None:
    """Wait until all that was kept for backfills is deleted."""
    left: dict[bytes | None, bytes | None] = {}
    async with asyncio.timeout(60):
        while not left or any(left.values()):
            for record in await read_topic(servers, "_summit.backfills", 1, **COMMITTED):
                left[record.key] = record.value


def test_published_anew_while_nobody_works_nothing_of_the_first_is_left(
    servers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = fives(0, 73)
    telling = Backfills._live

    async def never(*_: object) -> None:
        """It is not told that the rule has come to the present."""

    async def run() -> None:
        async with world(servers) as w:
            monkeypatch.setattr(Backfills, "_live", never)
            worker = await w.start_worker()
            await w.send(*events)
            await w.apply({"kind": "backfill", "id": "late", "since": "earliest"}, active=False)
            await w.apply({"kind": "backfill", "id": "gone", "since": "earliest"}, active=False)
            await w.apply(five_failures("late"), five_failures("gone"), active=False)
            await until(lambda: raised(w, "late") == raised(w, "gone") == found_in(events))
            await worker.stop()
            monkeypatch.setattr(Backfills, "_live", telling)
            await w.definitions.delete("pattern", "gone")
            await w.apply({"kind": "backfill", "id": "late", "since": "earliest"}, active=False)
            await w.start_worker()
            await live(w, "late")
            await w.settle(await w.send(*fives(73, 70)))
            assert raised(w, "late") == found_in(fives(0, 143))
            await nothing_is_left(servers)

    asyncio.run(run())


def test_kinds_of_rules_go_on_with_what_they_have_begun(servers: list[str]) -> None:
    """Windows and groups that are open where past and present meet, and an absence."""
    silent = {
        "kind": "pattern", "id": "silent", "topics": ["auth"], "groupBy": ["ip"], "within": "30s",
        "steps": [
            {"name": "seen", "where": 'eventType == "failed"'},
            {"name": "none", "relation": "notFollowedBy", "where": 'eventType == "failed"'},
        ],
        "action": {"type": "alert", "config": {"severity": "low"}},
    }  # fmt: skip
    ordered = {"kind": "stream", "id": "s", "topics": ["auth"], "order": "eventTime",
               "eventTime": {"maxOutOfOrderness": "2s"}}  # fmt: skip
    groups = {**GROUPS, "correlationKeys": ["ip"]}
    sums = {**SUMS, "metrics": [{"name": "n", "function": "count"}]}
    rand = random.Random(5)
    events = [failure(n * 0.1, f"ip{n % 3}") for n in range(400)]
    mixed = sorted(events, key=lambda e: e["timestamp"] + rand.randint(0, 1_900))

    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            await w.apply(ordered)
            await w.send(*mixed[:155])
            for rule in (silent, groups, sums, five_failures("ordered")):
                await begin(w, rule)
            for name in ("silent", "correlation:same", "query:sums", "ordered"):
                await live(w, name)
            await w.settle(await w.send(*mixed[155:]))
            # Time goes on in both partitions: windows are over, and all three are silent.
            for partition in (0, 1):
                await w.settle(await w.send(failure(1_000, "end"), partition=partition))
            await until(lambda: raised(w, "silent").total() >= 3)
            await until(lambda: raised(w, "ordered").total() >= found_in(events).total())
            await worker.stop()
            assert raised(w, "ordered") == found_in(events)
            assert {ip for ip, _ in raised(w, "silent")} == {"ip0", "ip1", "ip2"}
            results = [r.json() for r in await read_topic(servers, "sums", 12, **COMMITTED)]
            counts = {(r["window"]["start"] - T0, r["keys"]["ip"]): r["count"] for r in results}
            by_hand = Counter((e["timestamp"] // 10_000 * 10_000 - T0, e["ip"]) for e in events)
            assert counts == by_hand
            assert len(results) == 12
            told = [r.json() for r in await read_topic(servers, "correlations", 1, **COMMITTED)]
            closed = [g for g in told if g["final"]]
            assert sum(group["count"] for group in closed) == 400
            assert len({group["id"] for group in closed}) == len(closed)

    asyncio.run(run())


def test_the_past_asks_nobody_and_a_rule_that_goes_leaves_nothing(servers: list[str]) -> None:
    scored = five_failures(
        steps=[{"name": "f", "times": 5, "where": "enrichedData.intel.score > 5"}]
    )
    events = fives(0, 140)

    async def run() -> None:
        async with world(servers) as w, service() as made:
            made.rows = {f"ip{n}": {"score": 9 if n < 3 else 1} for n in range(7)}
            worker = await w.start_worker()
            await w.apply(intel(made), five_failures("other", topics=["auth"]))
            await w.settle(await w.send(*events))
            asked = len(made.asked)
            made.rows = {}
            await begin(w, {**scored, "id": "scored"})
            await live(w, "scored")
            expected = {e: n for e, n in found_in(events).items() if e[0] in ("ip0", "ip1", "ip2")}
            await until(lambda: raised(w, "scored") == expected)
            assert len(made.asked) == asked
            # Removed while it reads the past, then applied as a new one: the past is nothing to it.
            await w.definitions.publish({"kind": "backfill", "id": "gone", "since": "earliest"})
            await w.apply(five_failures("gone"), active=False)
            await w.definitions.delete("pattern", "gone")
            assert w.definitions.log.get("backfill", "gone") is None
            await w.apply(five_failures("gone", topics=["late"]))
            await w.settle(await w.send(*fives(140, 70), topic="late"))
            late = [e for e in w.all_alerts() if e.pattern == "gone"]
            assert {each.evidence[0].topic for each in late} == {"late"}
            assert len(late) == 14
            assert worker.metrics.restarts == 0

    asyncio.run(run())


def test_what_was_called_before_is_not_called_again(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w, Webhook() as hook:
            action = {"type": "trigger", "config": {"url": hook.url}}
            rule = five_failures("hooked", topics=["auth"], action=action)
            worker = await w.start_worker(allow_internal_addresses=True)
            await w.send(*(failure(n) for n in range(5)))
            await w.apply(rule)
            await w.settle(await w.send(*(failure(n) for n in range(5, 10))))
            await hook.wait(1, 60)
            await begin(w, rule)
            await live(w, "hooked")
            await w.settle(await w.send(*(failure(n) for n in range(10, 15))))
            await until(lambda: worker.metrics.calls >= 3, 60)
            called = Counter(json.loads(request.body)["id"] for request in hook.requests)
            assert list(called.values()) == [1, 1, 1]

    asyncio.run(run())


def test_what_cannot_come_to_its_end_holds_nobody_up(
    servers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = fives(0, 140)
    commit = backfilling._Work.commit

    async def fails(work: Any, *, full: bool = False) -> None:
        if full:
            raise KeyError("what nobody thought of")
        await commit(work)

    monkeypatch.setattr(backfilling._Work, "commit", fails)
    monkeypatch.setattr(backfilling, "BACKFILL_GIVEN_UP_MS", 300)

    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            await w.apply(five_failures("other", topics=["auth"]))
            await w.settle(await w.send(*events[:73]))
            await begin(w, five_failures("late"))
            await live(w, "late")
            await w.settle(await w.send(*events[73:]))
            expected = found_in(events[:73]) + found_in(events[73:])
            await until(lambda: raised(w, "late") == expected)
            assert "KeyError" in worker.metrics.faults["backfill/late"]
            assert raised(w, "other") == found_in(events)
            warned = json.loads((await command(w, "flow", "describe", "-o", "json")).stdout)
            assert any("without what it had begun" in text for text in warned["warnings"])

    asyncio.run(run())


async def killed(servers: list[str], rand: random.Random) -> None:
    """Three workers under load, of which some die while rules begin with the past."""
    times: dict[str, Any] = {"sessionTimeoutMs": 1_000, "transactionTimeoutMs": 2_000}
    sent: dict[int, list[dict[str, Any]]] = {0: [], 1: []}

    async def send(w: World, count: int) -> None:
        for partition, known in sent.items():
            at = len(known)
            events = [failure(n * 0.1, f"{partition}-{n % 7}") for n in range(at, at + count)]
            known.extend(events)
            await w.send(*events, partition=partition)

    async with world(servers) as w:
        await w.apply(five_failures("other", topics=["auth"]), active=False)
        await send(w, rand.randint(500, 4_000))
        with ExitStack() as stack:
            workers = [stack.enter_context(WorkerProcess(servers, **times)) for _ in range(3)]
            for worker in workers:
                await asyncio.to_thread(worker.wait_active)
            for name in ("one", "two"):
                document = {"kind": "backfill", "id": name, "since": "earliest"}
                await w.apply(document, five_failures(name), active=False)
                for _ in range(3):
                    await send(w, rand.randint(1, 100))
                    await asyncio.sleep(rand.random() / 2)
                workers.pop(rand.randrange(3)).kill()
                await send(w, rand.randint(1, 100))
                workers.append(stack.enter_context(WorkerProcess(servers, **times)))
                await live(w, name, 120)
                await send(w, rand.randint(1, 100))
            expected = found_in(sent[0]) + found_in(sent[1])
            rules = ("one", "two", "other")
            await until(lambda: all(raised(w, r).total() >= expected.total() for r in rules), 60)
            records = await read_topic(servers, "alerts", len(w.all_alerts()), **COMMITTED)
            assert set(Counter(record.key for record in records).values()) == {1}
            assert len(records) == 3 * expected.total()
            for rule in rules:
                assert raised(w, rule) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_killed_workers_leave_no_gap_and_nothing_twice(servers: list[str], seed: int) -> None:
    asyncio.run(killed(servers, random.Random(seed)))
