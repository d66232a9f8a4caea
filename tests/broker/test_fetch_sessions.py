"""Fetch sessions on the wire, and the places they take."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from tests.broker.wire import Wire, batch_of, fetch_request

from summit.base.clock import ManualClock
from summit.base.rand import Rand
from summit.broker import BrokerThread
from summit.broker.fetch_sessions import FetchSessions
from summit.broker.fetch_wanted import Wanted
from summit.protocol import codes
from summit.protocol.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from summit.protocol.fetch import FETCH, ForgottenTopic

NAMED, BY_ID = 12, 17


def ask(
    wire: Wire, session_id: int, epoch: int, *wanted: tuple[Any, int, int],
    version: int = NAMED, forget: Any = (), **fields: Any,
) -> Any:  # fmt: skip
    request = fetch_request(
        list(wanted), session_id=session_id, session_epoch=epoch, forgotten_topics=list(forget),
        **fields,
    )  # fmt: skip
    return wire.ask(FETCH, version, request)


def places(answer: Any) -> list[tuple[Any, int]]:
    return [(t.name or t.topic_id, p.index) for t in answer.topics for p in t.partitions]


@pytest.fixture
def wide(wire: Wire) -> str:
    """A topic of eight partitions."""
    name = f"wide-{uuid.uuid4().hex[:8]}"
    wire.create_topic(name, 8)
    return name


@pytest.mark.parametrize("version", range(7, 19))
def test_every_version(wire: Wire, topic: str, version: int) -> None:
    where = wire.metadata(topic).topics[0].topic_id if version >= 13 else topic
    opened = ask(wire, 0, 0, (where, 0, 0), version=version)
    assert opened.session_id > 0
    assert places(opened) == [(where, 0)]
    quiet = ask(wire, opened.session_id, 1, version=version)
    assert (quiet.error_code, quiet.session_id, quiet.topics) == (0, opened.session_id, [])
    wire.produce(topic, batch_of(b"a"))
    news = ask(wire, opened.session_id, 2, version=version)
    assert places(news) == [(where, 0)]
    assert news.topics[0].partitions[0].high_watermark == 1
    again = ask(wire, opened.session_id, 3, (where, 0, 1), version=version)
    assert again.topics == []


def test_only_what_changed_is_answered(wire: Wire, wide: str) -> None:
    opened = ask(wire, 0, 0, *((wide, index, 0) for index in range(8)))
    assert len(places(opened)) == 8
    wire.produce(wide, batch_of(b"x"), index=5)
    news = ask(wire, opened.session_id, 1)
    assert places(news) == [(wide, 5)]
    # The client did not take it: it comes again, until its offset moves.
    assert places(ask(wire, opened.session_id, 2)) == [(wide, 5)]
    assert places(ask(wire, opened.session_id, 3, (wide, 5, 1))) == []


def test_a_session_holds_no_records(broker: BrokerThread, wire: Wire, topic: str) -> None:
    wire.produce(topic, batch_of(b"x" * 10_000))
    sid = ask(wire, 0, 0, (topic, 0, 0)).session_id
    assert places(ask(wire, sid, 1)) == [(topic, 0)]
    state = broker._broker._state
    assert state is not None
    session, _ = state.fetch_sessions.go_on(sid, 2, by_id=False)
    assert session is not None
    assert session.wait is None
    assert [each.data for each in session.parts.values()] == [b""]


def test_partitions_come_and_go(wire: Wire, wide: str) -> None:
    opened = ask(wire, 0, 0, (wide, 0, 0))
    sid = opened.session_id
    assert places(ask(wire, sid, 1, (wide, 1, 0))) == [(wide, 1)], "a new one is answered"
    wire.produce(wide, batch_of(b"x"), index=0)
    gone = ForgottenTopic(name=wide, partitions=[0])
    assert places(ask(wire, sid, 2, forget=[gone])) == []
    last = ask(wire, sid, 3, forget=[ForgottenTopic(name=wide, partitions=[1])])
    assert (last.error_code, last.session_id) == (codes.NONE, 0), "an empty session ends"
    assert ask(wire, sid, 4).error_code == codes.FETCH_SESSION_ID_NOT_FOUND


def test_errors(wire: Wire, topic: str) -> None:
    where = wire.metadata(topic).topics[0].topic_id
    sid = ask(wire, 0, 0, (topic, 0, 0)).session_id
    assert ask(wire, sid ^ 1, 1).error_code == codes.FETCH_SESSION_ID_NOT_FOUND
    assert ask(wire, 0, 3).error_code == codes.FETCH_SESSION_ID_NOT_FOUND
    assert ask(wire, sid, 2).error_code == codes.INVALID_FETCH_SESSION_EPOCH
    changed = ask(wire, sid, 1, (where, 0, 0), version=BY_ID)
    assert changed.error_code == codes.FETCH_SESSION_TOPIC_ID_ERROR
    assert ask(wire, sid, 1).error_code == codes.NONE, "an error uses up no epoch"
    ended = ask(wire, sid, -1, (topic, 0, 0))
    assert (ended.error_code, ended.session_id, places(ended)) == (0, 0, [(topic, 0)])
    assert ask(wire, sid, 2).error_code == codes.FETCH_SESSION_ID_NOT_FOUND


def test_a_new_session_replaces_the_old(wire: Wire, topic: str) -> None:
    old = ask(wire, 0, 0, (topic, 0, 0)).session_id
    new = ask(wire, old, 0, (topic, 0, 0)).session_id
    assert new not in (0, old)
    assert ask(wire, old, 1).error_code == codes.FETCH_SESSION_ID_NOT_FOUND


def test_errors_of_partitions_are_repeated(wire: Wire, wide: str) -> None:
    opened = ask(wire, 0, 0, (wide, 0, 0), (wide, 99, 0))
    for epoch in (1, 2):
        (part,) = ask(wire, opened.session_id, epoch).topics[0].partitions
        assert (part.index, part.error_code) == (99, codes.UNKNOWN_TOPIC_OR_PARTITION)
    request = DeleteTopicsRequest(topic_names=[wide], timeout_ms=1000)
    wire.ask(DELETE_TOPICS, 5, request)
    found = ask(wire, opened.session_id, 3).topics[0].partitions
    assert {part.error_code for part in found} == {codes.UNKNOWN_TOPIC_OR_PARTITION}


def test_a_long_poll_wakes_for_one_partition(broker: BrokerThread, wire: Wire, wide: str) -> None:
    opened = ask(wire, 0, 0, *((wide, index, 0) for index in range(8)))
    request = fetch_request(
        [], session_id=opened.session_id, session_epoch=1, max_wait_ms=8_000, min_bytes=1
    )
    sent = wire.send(FETCH, NAMED, request)
    time.sleep(0.05)
    with Wire(broker.port) as other:
        other.produce(wide, batch_of(b"x"), index=3)
    began = time.monotonic()
    assert places(wire.receive(FETCH, NAMED, sent)) == [(wide, 3)]
    assert time.monotonic() - began < 2
    timed = ask(wire, opened.session_id, 2, (wide, 3, 1), max_wait_ms=50)
    assert timed.topics == []


def test_two_requests_of_one_session_at_once(wire: Wire, topic: str) -> None:
    sid = ask(wire, 0, 0, (topic, 0, 0)).session_id
    sent = []
    for epoch in (1, 2):
        request = fetch_request([], session_id=sid, session_epoch=epoch, max_wait_ms=300)
        sent.append(wire.send(FETCH, NAMED, request))
    for each in sent:
        assert wire.receive(FETCH, NAMED, each).error_code == codes.NONE


def test_a_session_that_grows_too_large_ends(
    wire: Wire, wide: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = ask(wire, 0, 0, (wide, 0, 0))
    assert opened.session_id
    monkeypatch.setattr("summit.broker.fetch_sessions.FETCH_SESSION_PARTS_MAX", 1)
    grown = ask(wire, opened.session_id, 1, (wide, 1, 0))
    assert grown.error_code == codes.FETCH_SESSION_ID_NOT_FOUND
    again = ask(wire, 0, 0, (wide, 0, 0), (wide, 1, 0))
    assert (again.error_code, again.session_id) == (codes.NONE, 0), "answered without a session"
    assert len(places(again)) == 2


class TestPlaces:
    @staticmethod
    def wanted(count: int) -> list[Wanted]:
        return [Wanted("t", index, 0, 1000) for index in range(count)]

    def test_partitions_are_bounded_and_the_silent_give_way(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("summit.broker.fetch_sessions.FETCH_SESSION_PARTS_MAX", 10)
        clock = ManualClock(now_ms=0)
        sessions = FetchSessions(clock, Rand(1))
        assert sessions.create(self.wanted(11), by_id=False) is None
        for _ in range(3):
            assert sessions.create(self.wanted(3), by_id=False) is not None
        assert sessions.create(self.wanted(2), by_id=False) is None
        clock.advance(120_000)
        assert sessions.create(self.wanted(10), by_id=False) is not None
        assert len(sessions) == 1

    def test_the_oldest_gives_way_when_silent_or_smaller(self) -> None:
        clock = ManualClock(now_ms=0)
        sessions = FetchSessions(clock, Rand(1), most=2)
        first = sessions.create(self.wanted(2), by_id=False)
        second = sessions.create(self.wanted(2), by_id=False)
        assert first is not None
        assert second is not None
        assert sessions.create(self.wanted(2), by_id=False) is None
        larger = sessions.create(self.wanted(3), by_id=False)
        assert larger is not None
        assert sessions.go_on(first.session_id, 1, by_id=False)[1] == (
            codes.FETCH_SESSION_ID_NOT_FOUND
        )
        clock.advance(130_000)
        sessions.go_on(second.session_id, 1, by_id=False)
        assert sessions.create(self.wanted(1), by_id=False) is not None
        assert sessions.go_on(second.session_id, 2, by_id=False)[1] == codes.NONE
        assert len(sessions) == 2

    def test_the_epoch_wraps(self) -> None:
        sessions = FetchSessions(ManualClock(now_ms=0), Rand(1))
        session = sessions.create(self.wanted(1), by_id=True)
        assert session is not None
        session.epoch = 2**31 - 1
        assert sessions.go_on(session.session_id, 2**31 - 1, by_id=True)[1] == codes.NONE
        assert session.epoch == 1

    def test_nothing_wanted_is_no_session(self) -> None:
        assert FetchSessions(ManualClock(now_ms=0), Rand(1)).create([], by_id=True) is None
