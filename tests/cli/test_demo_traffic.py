"""The demo's traffic holds exactly the attacks it says, by a checker that knows no matcher."""

import re
from collections import Counter, defaultdict

import pytest

from summit.cli.demo.traffic import LOGINS, SSH, WEB, Planted, Scenario
from summit.cli.demo.verdict import Verdict

START_MS = 1_700_000_000_000


def scenario(seed: int, label: int = 0) -> Scenario:
    return Scenario(seed, START_MS, background=8_000, label=label)


def expected_alerts(found: Scenario) -> Counter[Planted]:
    """Reads the traffic with plain loops and says which alerts it must raise."""
    alerts: Counter[Planted] = Counter()
    failures: dict[str, list[int]] = defaultdict(list)
    logins: dict[str, list[tuple[int, str]]] = defaultdict(list)
    misses: dict[str, list[int]] = defaultdict(list)
    accepted: dict[str, list[int]] = defaultdict(list)
    for at_ms, channel, payload in found.items:
        if channel == SSH:
            address = re.search(r"(?:from|by) (\S+) port", payload)[1]
            times = re.search(r"repeated (\d+) times", payload)
            if "Failed password" in payload:
                failures[address] += [at_ms] * (int(times[1]) if times else 1)
            elif "Accepted" in payload:
                accepted[address].append(at_ms)
        elif channel == LOGINS:
            logins[payload["user"]].append((at_ms, payload["eventType"]))
        elif payload["status"] == 404:
            misses[payload["sourceIP"]].append(at_ms)
    for address, times in failures.items():
        alerts[Planted("ssh-bruteforce", address)] += runs(times, 5, 60_000)
        for success in accepted[address]:
            near = [t for t in times if t > success - 60_000 and t <= success]
            alerts[Planted("ssh-bruteforce-login", address)] += len(near) >= 5
    for user, events in logins.items():
        for n, (at_ms, kind) in enumerate(events):
            if kind == "user.login.success":
                failed = [t for t, k in events[:n] if k == "user.login.failed"]
                near = [t for t in failed if t > at_ms - 60_000]
                alerts[Planted("account-takeover", user)] += len(near) >= 3
                if n + 1 < len(events):
                    next_ms, next_kind = events[n + 1]
                    quick = next_kind == "user.password.changed" and next_ms - at_ms < 5_000
                    alerts[Planted("instant-password-change", user)] += quick
    for address, times in misses.items():
        alerts[Planted("web-scan", address)] += runs(times, 20, 10_000)
    return +alerts


def runs(times: list[int], count: int, window_ms: int) -> int:
    """How many times `count` of `times` lie within less than `window_ms`, none used twice."""
    found, free = 0, list(times)
    while len(free) >= count:
        if free[count - 1] - free[0] < window_ms:
            found += 1
            del free[:count]
        else:
            del free[0]
    return found


@pytest.mark.parametrize("seed", range(12))
def test_planted_is_what_an_independent_checker_finds(seed: int) -> None:
    found = scenario(seed)
    assert expected_alerts(found) == Counter(found.planted)
    assert bool(found.planted) == (seed != 0)
    assert found.decoys >= 18


def test_the_seed_decides_everything() -> None:
    assert scenario(5).items == scenario(5).items
    assert scenario(5).items != scenario(6).items


def test_rounds_share_no_attacked_key() -> None:
    first = {planted.key for planted in scenario(4, label=0).planted}
    second = {planted.key for planted in scenario(4, label=1).planted}
    assert not first & second


def test_channels_are_in_event_time_order() -> None:
    for channel in (SSH, LOGINS, WEB):
        times = [item.at_ms for item in scenario(2).items if item.channel == channel]
        assert times == sorted(times)


def test_verdict_is_exact_only_when_each_is_found_once() -> None:
    planted = [Planted("a", "x"), Planted("b", "y")]
    alerts = [{"pattern": "a", "key": {"k": "x"}}, {"pattern": "b", "key": {"k": "y"}}]
    assert Verdict(planted, alerts).exact
    assert not Verdict(planted, alerts[:1]).exact
    assert Verdict(planted, alerts[:1]).missed == [Planted("b", "y")]
    doubled = Verdict(planted, [*alerts, alerts[0]])
    assert (doubled.exact, doubled.found, doubled.unexpected) == (False, 2, [Planted("a", "x")])
    assert Verdict([], []).exact
