"""The notifier on a real broker: everybody hears once, whatever ends, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.notify.receivers import HttpReceiver

from summit.alerts.alert import Alert
from summit.alerts.entries import Acknowledge, AddSilence, Fired, LiftSilence, Resolve, Tell
from summit.alerts.matchers import Matchers
from summit.broker import BrokerSettings, BrokerThread
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.settings import AdminConfig
from summit.client.topics import TopicConfig
from summit.journal.definitions import Definitions
from summit.journal.desk_follower import DeskFollower
from summit.notify import Notifier, Outlets


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[str]]:
    broker = BrokerThread(BrokerSettings(port=0, data_dir=str(tmp_path / "data"), durability="os"))
    broker.start()
    yield [f"127.0.0.1:{broker.port}"]
    broker.stop()


class World:
    """A broker's definitions and alert log, and notifiers on it."""

    def __init__(self, servers: list[str], folder: Path) -> None:
        self.servers = servers
        self.folder = folder
        self.definitions = Definitions(servers)
        self.desk = DeskFollower(servers, name="test-desk")
        self.producer = StreamProducer({"bootstrapServers": servers, "lingerMs": 0})
        self.alerts: dict[str, Alert] = {}
        self.notifiers: list[Notifier] = []

    async def notifier(self) -> Notifier:
        outlets = Outlets(self.producer, self.folder, self.ensure_topic)
        notifier = Notifier(self.servers, self.definitions, self.alerts.get, outlets)
        await notifier.start()
        self.notifiers.append(notifier)
        return notifier

    async def ensure_topic(self, name: str) -> None:
        async with Admin(AdminConfig(bootstrap_servers=self.servers)) as admin:
            await admin.create_if_missing(TopicConfig(name=name))

    async def register(self, name: str, type_: str, config: dict[str, Any], **more: Any) -> None:
        if type_ in ("webhook", "slack", "pagerduty"):
            config = {"allowPrivate": True, **config}
        document = {"kind": "notification", "id": name, "type": type_, "config": config, **more}
        await self.definitions.publish(document)

    async def fire(self, name: str, severity: str = "high", **more: Any) -> None:
        self.alerts[name] = Alert(
            id=name, timestamp=1_000, severity=severity, title=f"About {name}", description="",
            events=[], key=more.get("key", {"ip": name}), notify=list(more.get("notify", ())),
        )  # fmt: skip
        values: dict[str, Any] = {"key": {"ip": name}, "title": f"About {name}", **more}
        await self.desk.write(Fired(id=name, severity=severity, timestamp=1_000, **values))

    def told(self, name: str) -> dict[str, str]:
        state = self.desk.desk.state.alerts.get(name)
        return {} if state is None else state.told


@asynccontextmanager
async def world(servers: list[str], folder: Path) -> AsyncIterator[World]:
    made = World(servers, folder)
    await asyncio.gather(made.definitions.start(), made.desk.start(), made.producer.connect())
    try:
        yield made
    finally:
        await asyncio.gather(*(notifier.stop() for notifier in made.notifiers))
        await asyncio.gather(made.definitions.stop(), made.desk.stop(), made.producer.close())


async def until(condition: Callable[[], object], timeout_s: float = 60) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


def subjects(receiver: HttpReceiver) -> list[str]:
    return [f"{body['action']} {body['alert']['id']}" for body in receiver.bodies]


def test_who_is_named_or_matches_hears(servers: list[str], tmp_path: Path) -> None:
    async def run() -> None:
        with HttpReceiver() as by_name, HttpReceiver() as by_match:
            async with world(servers, tmp_path) as w:
                await w.notifier()
                hook = {"url": by_name.url}
                await w.register("team", "webhook", hook, on=["fired", "acknowledged", "resolved"])
                await w.register(
                    "soc", "webhook", {"url": by_match.url}, match={"severity": "critical"},
                    subject="${severity}: ${title} of ${ip}",
                )  # fmt: skip
                await w.register("lines", "file", {"name": "told.jsonl"}, match={"rule": "brute"})
                await w.register("queue", "topic", {"topic": "tickets"}, match={"rule": "brute"})
                await w.fire("a", notify=("team",))
                await w.fire("b", severity="critical")
                await w.fire("c", severity="low", rule="brute")
                await w.desk.write(Acknowledge(by="ann", id="a"))
                await w.desk.write(Resolve(by="ann", id="a"))
                await until(lambda: len(w.told("a")) == 3 and w.told("b") and len(w.told("c")) == 2)
                assert w.told("c") == {"lines/fired": "delivered", "queue/fired": "delivered"}
                assert w.desk.desk.state.channels["team"].sent == 3
            assert subjects(by_name) == ["fired a", "acknowledged a", "resolved a"]
            assert by_name.bodies[1]["by"] == "ann"
            assert [body["title"] for body in by_match.bodies] == ["critical: About b of b"]
            (line,) = (tmp_path / "told.jsonl").read_bytes().splitlines()
            assert msgspec.json.decode(line)["alert"]["id"] == "c"

    asyncio.run(run())


def test_two_replicas_tell_once_and_the_other_goes_on(servers: list[str], tmp_path: Path) -> None:
    async def run() -> None:
        with HttpReceiver() as receiver:
            async with world(servers, tmp_path) as w:
                await w.register("team", "webhook", {"url": receiver.url})
                one, other = await w.notifier(), await w.notifier()
                await w.fire("a", notify=("team",))
                await until(lambda: w.told("a"))
                first, second = (one, other) if one.on_duty else (other, one)
                assert not second.on_duty
                await first.stop()
                await w.fire("b", notify=("team",))
                await until(lambda: w.told("b"))
                assert second.on_duty
            assert subjects(receiver) == ["fired a", "fired b"]

    asyncio.run(run())


def test_what_fired_while_nobody_was_there_is_told_later(
    servers: list[str], tmp_path: Path
) -> None:
    async def run() -> None:
        with HttpReceiver() as receiver:
            async with world(servers, tmp_path) as w:
                await w.fire("before", notify=("team",))  # nobody had asked to hear of it
                await w.register("team", "webhook", {"url": receiver.url})
                await (await w.notifier()).stop()
                await w.fire("meanwhile", notify=("team",))
                await w.notifier()
                await until(lambda: w.told("meanwhile"))
            assert subjects(receiver) == ["fired meanwhile"]

    asyncio.run(run())


def test_a_channel_that_is_away_is_tried_again_and_given_up(
    servers: list[str], tmp_path: Path
) -> None:
    async def run() -> None:
        with HttpReceiver(500, 500) as receiver, HttpReceiver(*[500] * 9) as dead:
            async with world(servers, tmp_path) as w:
                retry = {"attempts": 3, "backoff": 1}
                await w.register("team", "webhook", {"url": receiver.url}, retry=retry)
                await w.register("gone", "webhook", {"url": dead.url}, retry=retry)
                await w.notifier()
                await w.fire("a", notify=("team", "gone"))
                await until(lambda: len(w.told("a")) == 2)
                assert w.told("a")["team/fired"] == "delivered"
                assert "500" in w.told("a")["gone/fired"]
                tally = w.desk.desk.state.channels["gone"]
                assert (tally.sent, tally.failed) == (0, 1)
            assert len(receiver.requests) == len(dead.requests) == 3
            ids = {body["id"] for body in receiver.bodies}
            assert len(ids) == 1

    asyncio.run(run())


def test_a_channel_that_breaks_is_given_up_and_stops_nothing(
    servers: list[str], tmp_path: Path
) -> None:
    async def run() -> None:
        with HttpReceiver() as receiver:
            async with world(servers, tmp_path) as w:
                await w.notifier()
                (tmp_path / "key").write_bytes(b"\xff\xfe")  # no text
                broken = {"url": receiver.url, "secret": f"file:{tmp_path / 'key'}"}
                await w.register("broken", "webhook", broken, retry={"attempts": 2, "backoff": 1})
                await w.fire("a", notify=("broken",))
                await until(lambda: w.told("a"))
                assert w.told("a") == {"broken/fired": "UnicodeDecodeError"}
                await w.fire("b", notify=("broken",))
                await until(lambda: w.told("b"))
            assert receiver.requests == []

    asyncio.run(run())


def test_a_test_and_telling_again(servers: list[str], tmp_path: Path) -> None:
    async def run() -> None:
        with HttpReceiver() as receiver:
            async with world(servers, tmp_path) as w:
                await w.notifier()
                await w.register("team", "webhook", {"url": receiver.url})
                await w.fire("a")
                await w.desk.write(Tell(by="ann", channel="team"))
                await w.desk.write(Tell(by="ann", id="a", channel="team"))
                await w.desk.write(Tell(by="ann", id="a", channel="nobody"))
                await until(lambda: len(w.told("a")) == 2)
                assert "no notification" in w.told("a")["nobody/fired"]
            assert sorted(body["action"] for body in receiver.bodies) == ["fired", "test"]

    asyncio.run(run())


def test_a_muted_alert_is_told_when_nothing_mutes_it(servers: list[str], tmp_path: Path) -> None:
    async def run() -> None:
        with HttpReceiver() as receiver:
            async with world(servers, tmp_path) as w:
                first = await w.notifier()
                await w.register("team", "webhook", {"url": receiver.url})
                silence = AddSilence(matchers=Matchers(key={"ip": "a"}), until=1 << 60)
                name = (await w.desk.write(silence)).id
                await w.fire("a", notify=("team",))
                await w.fire("b", notify=("team",))
                await until(lambda: w.told("b"))
                assert w.told("a") == {}
                await first.stop()  # the next one knows of it from the log alone
                await w.notifier()
                await w.desk.write(LiftSilence(id=name))
                await until(lambda: w.told("a"))
            assert subjects(receiver) == ["fired b", "fired a"]

    asyncio.run(run())


def test_levels_are_told_until_somebody_acknowledges(servers: list[str], tmp_path: Path) -> None:
    async def run() -> None:
        with HttpReceiver() as team, HttpReceiver() as boss:
            async with world(servers, tmp_path) as w:
                await w.notifier()
                levels = [{"after": 1, "notify": ["boss"]}, {"after": 2, "notify": ["boss"]}]
                await w.register("boss", "webhook", {"url": boss.url})
                await w.register("team", "webhook", {"url": team.url}, escalate=levels, repeat=1000)
                await w.fire("a", notify=("team",))
                await until(lambda: len(boss.requests) >= 3)  # both levels, and the last again
                await w.desk.write(Acknowledge(by="ann", id="a"))
                await w.fire("b", notify=("nobody",))
                await asyncio.sleep(0)
            assert [body["level"] for body in boss.bodies[:3]] == [1, 2, 3]
            assert {body["action"] for body in boss.bodies} == {"escalated"}
            assert subjects(team) == ["fired a"]

    asyncio.run(run())


def test_a_flood_goes_out_as_digests(servers: list[str], tmp_path: Path) -> None:
    async def run() -> None:
        with HttpReceiver() as receiver:
            async with world(servers, tmp_path) as w:
                await w.notifier()
                await w.register(
                    "team", "webhook", {"url": receiver.url}, digest={"every": 300, "max": 40}
                )
                names = [f"a{number}" for number in range(60)]
                for name in names:
                    await w.fire(name, notify=("team",))
                await until(lambda: all(w.told(name) for name in names))
            told = [body["alert"]["id"] for body in receiver.bodies]
            told += [one["alert"]["id"] for body in receiver.bodies for one in body.get("more", ())]
            assert sorted(told) == sorted(names)
            assert len(receiver.requests) < 30

    asyncio.run(run())
