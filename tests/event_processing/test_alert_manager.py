"""`AlertManager`: the accepted tests of the guide's package, rules, escalation, notifications."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.notify.receivers import HttpReceiver, SmtpReceiver

from summit.alerts import Alert
from summit.base.clock import ManualClock
from summit.base.errors import Closed, Conflict, Invalid, Unavailable
from summit.event_processing import AlertManager, AlertRule, NewAlert

T0 = 1_700_000_000_000
EVENTS = (
    "rule:registered", "rule:removed", "alert:fired", "alert:silenced", "alert:acknowledged",
    "alert:resolved", "alert:escalated", "notification:sent", "notification:failed", "error",
)  # fmt: skip


class Bench:
    """A manager in memory on a clock that stands, and all that it told."""

    def __init__(self) -> None:
        self.clock = ManualClock(T0)
        self.manager = AlertManager(clock=self.clock)
        self.told: list[tuple[str, Any]] = []
        for name in EVENTS:
            self.manager.on(name, lambda payload, name=name: self.told.append((name, payload)))

    def names(self, start: str = "") -> list[str]:
        return [name for name, _ in self.told if name.startswith(start)]

    async def later(self, ms: int) -> None:
        self.clock.advance(ms)
        await self.manager.tick()
        await self.manager.flush()


def run(body: Callable[[Bench], Awaitable[None]]) -> None:
    async def go() -> None:
        bench = Bench()
        try:
            await body(bench)
        finally:
            await bench.manager.stop()

    asyncio.run(go())


def alert(title: str = "CPU", severity: str = "high", **more: Any) -> dict[str, Any]:
    return {"title": title, "severity": severity, "key": {"host": "web1"}, **more}


# ---- the five accepted tests ----


def test_the_same_alert_fires_once() -> None:
    async def body(bench: Bench) -> None:
        first = await bench.manager.fire_alert(alert())
        bench.clock.advance(1_000)
        second = await bench.manager.fire_alert(alert())
        assert first == second
        (active,) = bench.manager.get_active_alerts()
        assert (active.id, active.count, active.last_seen) == (first, 2, T0 + 1_000)
        assert bench.names("alert:") == ["alert:fired"]

    run(body)


def test_two_titles_are_two_active_alerts() -> None:
    async def body(bench: Bench) -> None:
        await bench.manager.fire_alert(alert("CPU"))
        await bench.manager.fire_alert(alert("Disk"))
        assert [a.title for a in bench.manager.get_active_alerts()] == ["CPU", "Disk"]

    run(body)


def test_a_resolved_alert_is_active_no_more() -> None:
    async def body(bench: Bench) -> None:
        name = await bench.manager.fire_alert(alert())
        await bench.manager.resolve_alert(name)
        assert bench.manager.get_active_alerts() == []
        assert bench.names("alert:") == ["alert:fired", "alert:resolved"]
        with pytest.raises(Conflict):
            await bench.manager.acknowledge_alert(name, "ann")
        assert await bench.manager.fire_alert(alert()) != name

    run(body)


def test_low_is_silenced_and_critical_passes() -> None:
    async def body(bench: Bench) -> None:
        manager = bench.manager
        silence = await manager.silence_alerts({"severity": "low"}, 60_000, "maintenance")
        low = await manager.fire_alert(alert(severity="low"))
        await manager.fire_alert(alert(severity="critical"))
        assert [a.severity for a in manager.get_active_alerts()] == ["critical"]
        assert bench.names("alert:") == ["alert:silenced", "alert:fired"]
        assert manager.get_statistics()["silenced"] == 1
        await manager.lift_silence(silence)
        assert [a.severity for a in manager.get_active_alerts()] == ["low", "critical"]
        await manager.silence_alerts({"tags": ["x"]}, "1h")
        assert manager.get_alert_state(low).state == "firing"

    run(body)


def test_three_alerts_are_three_in_the_statistics() -> None:
    async def body(bench: Bench) -> None:
        manager = bench.manager
        names = [await manager.fire_alert(alert(title)) for title in ("a", "b", "c")]
        await manager.fire_alert(NewAlert(title="c", severity="high", key={"host": "web1"}))
        await manager.acknowledge_alert(names[0], "ann", "looking")
        await manager.resolve_alert(names[1], "ann")
        found = manager.get_statistics()
        assert found["total"] == 3
        assert (found["firing"], found["acknowledged"], found["resolved"]) == (1, 1, 1)
        assert found["bySeverity"] == {"critical": 0, "high": 3, "medium": 0, "low": 0, "info": 0}
        assert [a.title for a in manager.get_alerts_by_severity("high")] == ["a", "c"]
        assert manager.get_alert_state(names[0]).acknowledged_by == "ann"
        assert [each.note for each in manager.desk.history(names[0])] == ["looking"]

    run(body)


# ---- rules ----

RULE: dict[str, Any] = {
    "id": "cpu", "name": "CPU is high", "severity": "critical", "description": "Too hot",
    "conditions": [{"metric": "cpu", "operator": "gt", "threshold": 90, "duration": "1m"}],
    "tags": ["attack.t1496"], "runbook": "ops/cpu",
}  # fmt: skip


def test_a_metric_rule_is_pending_fires_and_is_over() -> None:
    async def body(bench: Bench) -> None:
        manager = bench.manager
        manager.register_rule(RULE)
        await manager.record_metric("cpu", 95, key={"host": "web1"})
        await manager.record_metric("cpu", 95, key={"host": "web2"})
        assert manager.get_active_alerts() == []
        assert manager.get_pending_rules()[0] == {"rule": "cpu", "key": {"host": "web1"}}
        await bench.later(59_999)
        assert manager.get_active_alerts() == []
        await manager.record_metric("cpu", 10, key={"host": "web2"})
        await bench.later(1)
        (active,) = manager.get_active_alerts()
        assert (active.pattern, active.key, active.severity) == (
            "cpu",
            {"host": "web1"},
            "critical",
        )
        assert (active.title, active.runbook) == ("CPU is high", "ops/cpu")
        assert active.metadata == {"metrics": {"cpu": 95}}
        assert active.attack[0].name == "Resource Hijacking"
        await manager.record_metric("cpu", 12, key={"host": "web1"})
        assert manager.get_active_alerts() == []
        assert manager.get_alert_state(active.id).resolved_by == "summit"
        assert manager.remove_rule("cpu")
        assert not manager.remove_rule("cpu")
        assert bench.names("rule:") == ["rule:registered", "rule:removed"]

    run(body)


@pytest.mark.parametrize(
    "change",
    [
        {"severity": "urgent"},
        {"id": ""},
        {"colour": "red"},
        {"throttleMs": -1},
        {"conditions": [{"metric": "m", "operator": "about", "threshold": 1}]},
        {"conditions": [{"metric": "m", "operator": "gt", "threshold": 1, "duration": "soon"}]},
        {"conditions": [{"metric": "m", "operator": "gt"}]},
        {"conditions": [{"metric": "m", "operator": "gt", "threshold": float("nan")}]},
        {"conditions": [
            {"metric": "m", "operator": "gt", "threshold": 1, "duration": 10**30},
        ]},
        {"notificationChannels": ["nobody"]},
        {"escalationPolicy": {"levels": []}},
        {"escalationPolicy": {"levels": [{"delayMs": 1, "notifyChannels": ["nobody"]}]}},
        {"escalationPolicy": {"levels": [
            {"delayMs": 2, "notifyChannels": []}, {"delayMs": 1, "notifyChannels": []},
        ]}},
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_honoured_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        AlertManager().register_rule({**RULE, **change})


def test_the_order_of_a_key_and_values_that_came_late_do_not_matter() -> None:
    async def body(bench: Bench) -> None:
        manager = bench.manager
        manager.register_rule({**RULE, "conditions": [
            {"metric": "cpu", "operator": "gt", "threshold": 90},
        ]})  # fmt: skip
        await manager.record_metric("cpu", 95, key={"host": "web1", "site": "a"})
        (one,) = manager.get_active_alerts()
        await manager.record_metric("cpu", 10, key={"site": "a", "host": "web1"})
        assert manager.get_alert_state(one.id).state == "resolved"
        late = bench.clock.now_ms() - 1
        await manager.record_metric("cpu", 99, key={"host": "web1", "site": "a"}, timestamp=late)
        assert manager.get_active_alerts() == []
        assert manager.get_statistics()["lateValues"] == 1
        # A clock that is ahead does not make all that comes later late.
        far = bench.clock.now_ms() + 10**9
        await manager.record_metric("cpu", 99, key={"host": "web1", "site": "a"}, timestamp=far)
        await bench.later(1)
        await manager.record_metric("cpu", 10, key={"host": "web1", "site": "a"})
        assert manager.get_active_alerts() == []
        assert bench.names("alert:") == ["alert:fired", "alert:resolved"] * 2

    run(body)


def test_what_could_not_be_kept_fires_and_is_over_with_the_next_value() -> None:
    async def body(bench: Bench) -> None:
        manager = bench.manager
        manager.register_rule({**RULE, "conditions": [
            {"metric": "cpu", "operator": "gt", "threshold": 90},
        ]})  # fmt: skip
        write = manager._store.write
        is_away = True

        async def away(entries: Any) -> Any:
            if is_away:
                raise Unavailable("disk.full", path="nowhere")
            return await write(entries)

        manager._store.write = away  # type: ignore[method-assign]
        for value in (95, 10, 96):
            with pytest.raises(Unavailable):
                await manager.record_metric("cpu", value, key={"host": "web1"})
        is_away = False
        await bench.later(1)
        (one,) = manager.get_active_alerts()
        assert (one.count, one.key) == (1, {"host": "web1"})
        is_away = True
        with pytest.raises(Unavailable):
            await manager.record_metric("cpu", 10, key={"host": "web1"})
        assert len(manager.get_active_alerts()) == 1
        is_away = False
        await bench.later(1)
        assert manager.get_active_alerts() == []
        assert bench.names("alert:") == ["alert:fired", "alert:resolved"]

    run(body)


def test_what_is_no_alert_is_refused() -> None:
    async def body(bench: Bench) -> None:
        manager = bench.manager
        for given in ({}, {"title": "t"}, alert(severity="urgent"), alert(colour="red"),
                      alert(title=5), alert(notify=["nobody"])):  # fmt: skip
            with pytest.raises(Invalid):
                await manager.fire_alert(given)
        with pytest.raises(Invalid):
            await manager.fire_alert(alert(), "no-rule")
        with pytest.raises(Invalid):
            await manager.silence_alerts({}, 1)
        with pytest.raises(Invalid):
            await manager.record_metric("cpu", float("nan"))
        with pytest.raises(Invalid):
            manager.get_alerts_by_severity("urgent")
        assert manager.get_statistics()["total"] == 0

    run(body)


def test_it_says_that_memory_is_not_durable() -> None:
    assert not AlertManager().is_durable
    with pytest.raises(Invalid):
        AlertManager(bootstrap_servers="x:1", broker=object())


# ---- notifications ----


def notices(receiver: HttpReceiver) -> list[tuple[str, str, int]]:
    return [(b["alert"]["title"], b["action"], b.get("level", 0)) for b in receiver.bodies]


def test_each_level_uses_its_own_channels_until_somebody_takes_note() -> None:
    async def body(bench: Bench) -> None:
        manager = bench.manager
        for name, receiver in (("chat", chat), ("pager", pager)):
            manager.register_notification_channel(
                {"id": name, "type": "webhook", "config": {"url": receiver.url}}
            )
        manager.register_notification_channel(
            {"id": "mail", "type": "email", "config": {
                "host": "127.0.0.1", "port": mails.port, "security": "none",
                "sender": "summit@example.org", "to": ["soc@example.org"],
            }}
        )  # fmt: skip
        policy = {
            "levels": [
                {"delayMs": 1_000, "notifyChannels": ["pager"]},
                {"delayMs": 5_000, "notifyChannels": ["mail"], "notifyUsers": ["eve@example.org"]},
            ],
            "repeatIntervalMs": 2_000,
        }
        manager.register_rule(
            {"id": "r", "name": "R", "severity": "high", "notificationChannels": ["chat"],
             "escalationPolicy": policy}
        )  # fmt: skip
        name = await manager.fire_alert({"title": "Down"}, "r")
        await bench.later(999)
        assert (notices(chat), notices(pager)) == ([("Down", "fired", 0)], [])
        await bench.later(1)
        assert notices(pager) == [("Down", "escalated", 1)]
        await bench.later(4_000)
        await bench.later(1_999)
        assert [recipients for recipients, _ in mails.mails] == [
            ["soc@example.org", "eve@example.org"]
        ]
        await bench.later(1)  # the last level again
        assert len(mails.mails) == 2
        assert manager.get_alert_state(name).escalation_level == 3
        await manager.acknowledge_alert(name, "ann")
        await bench.later(60_000)
        await manager.resolve_alert(name, "ann")
        await manager.flush()
        assert (len(mails.mails), len(pager.requests)) == (2, 1)
        assert [n[1] for n in notices(chat)] == ["fired", "acknowledged", "resolved"]
        assert chat.bodies[1]["by"] == "ann"
        assert bench.names("alert:escalated") == ["alert:escalated"] * 3
        assert manager.get_statistics()["notificationsSent"] == 6
        sent = [payload for name, payload in bench.told if name == "notification:sent"]
        assert (sent[0].config.id, sent[0].action, sent[0].alert["id"]) == ("chat", "fired", name)

    with HttpReceiver() as chat, HttpReceiver() as pager, SmtpReceiver() as mails:
        run(body)


def test_notifications_of_a_rule_are_throttled_and_caught_up() -> None:
    async def body(bench: Bench) -> None:
        manager = bench.manager
        manager.register_notification_channel(
            {"id": "chat", "type": "webhook", "config": {"url": chat.url}}
        )
        manager.register_rule(
            AlertRule(
                id="r", name="R", severity="high", throttle_ms=10_000,
                notification_channels=("chat",),
            )
        )  # fmt: skip
        await manager.fire_alert({"title": "one"}, "r")
        two = await manager.fire_alert({"title": "two"}, "r")
        await manager.fire_alert({"title": "three"}, "r")
        await bench.later(9_999)
        assert [n[0] for n in notices(chat)] == ["one"]
        assert len(manager.get_active_alerts()) == 3
        await manager.resolve_alert(two)
        await bench.later(1)
        assert [n[0] for n in notices(chat)] == ["one", "three"]  # two is over, untold
        await bench.later(60_000)
        assert len(chat.requests) == 2

    with HttpReceiver() as chat:
        run(body)


def test_a_silenced_alert_is_told_when_it_fires_on_after_the_silence() -> None:
    async def body(bench: Bench) -> None:
        manager = bench.manager
        manager.register_notification_channel(
            {"id": "chat", "type": "webhook", "config": {"url": chat.url}}
        )
        await manager.silence_alerts({"severity": "high"}, 1_000)
        await manager.fire_alert(alert("kept", notify=["chat"]))
        await bench.later(999)
        assert notices(chat) == []
        await bench.later(1)
        assert notices(chat) == [("kept", "fired", 0)]

    with HttpReceiver() as chat:
        run(body)


def test_what_cannot_be_delivered_is_told_and_the_others_go_on() -> None:
    async def body(bench: Bench) -> None:
        manager = bench.manager
        for name, receiver in (("bad", bad), ("good", good)):
            manager.register_notification_channel(
                {"id": name, "type": "webhook", "config": {"url": receiver.url, "retries": 0}}
            )
        name = await manager.fire_alert(alert(notify=["bad", "good"]))
        await manager.flush()
        assert sorted(bench.names("notification:")) == ["notification:failed", "notification:sent"]
        (failed,) = [payload for name, payload in bench.told if name == "notification:failed"]
        assert failed.error.code == "notify.refused"
        state = manager.get_alert_state(name)
        assert (state.notifications_sent, state.notifications_failed) == (1, 1)

    with HttpReceiver(404) as bad, HttpReceiver() as good:
        run(body)


# ---- on the log ----


def test_on_the_log_everything_outlives_the_manager_and_others_take_part(
    each_backend: list[str],
) -> None:
    async def go() -> None:
        with pytest.raises(Closed):
            await AlertManager(bootstrap_servers=each_backend).fire_alert(alert())
        async with AlertManager(bootstrap_servers=each_backend) as one:
            assert one.is_durable
            one.register_rule({**RULE, "conditions": [
                {"metric": "cpu", "operator": "gt", "threshold": 90},
            ]})  # fmt: skip
            await one.record_metric("cpu", 99, key={"host": "web1"})
            name = await one.fire_alert(alert(description="kept", metadata={"a": 1}))
            await one.silence_alerts({"severity": "low"}, "1d", "maintenance", "ann")
            async with AlertManager(bootstrap_servers=each_backend) as other:
                told: list[Alert] = []
                one.on("alert:acknowledged", told.append)
                assert await other.fire_alert(alert()) == name
                await other.acknowledge_alert(name, "bob")
                async with asyncio.timeout(10):
                    while not told:
                        await asyncio.sleep(0.01)
                assert (told[0].id, told[0].count) == (name, 2)
            before = one.get_statistics()
        async with AlertManager(bootstrap_servers=each_backend) as again:
            again.register_rule(RULE)
            assert again.get_statistics() == before
            first, second = again.get_active_alerts()
            assert (first.title, second.description, second.metadata) == (
                "CPU is high", "kept", {"a": 1},
            )  # fmt: skip
            assert again.get_alert_state(name).acknowledged_by == "bob"
            assert await again.fire_alert(alert(severity="low")) is not None
            assert again.get_statistics()["silenced"] == 1
            await again.record_metric("cpu", 5, key={"host": "web1"})  # over since the restart
            assert [a.id for a in again.get_active_alerts()] == [name]

    asyncio.run(go())
