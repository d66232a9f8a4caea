"""The view on disk: what the one in memory finds too, words, kills, other logs, damage."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.alerts import Alert, AlertQuery, AlertView, encode_alert
from summit.base.errors import Invalid
from summit.client.producer import StreamProducer
from summit.journal import alert_index
from summit.journal.alert_follower import AlertFollower
from summit.journal.alert_index import AlertIndex, match_of

Record = tuple[int, str, bytes | None]


def alert(number: int, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "id": f"id{number}", "timestamp": number, "severity": "high", "title": f"Alert {number}",
        "description": "", "events": [], "pattern": "p",
        "key": {"ip": f"10.0.0.{number}", "port": number},
    }  # fmt: skip
    return encode_alert(Alert(**{**values, **changes}))


def filled(path: Path | None, *values: bytes, **bounds: int) -> AlertIndex:
    index = AlertIndex(path, **bounds)
    index.belongs_to("T", 0, 10**6)
    start = index.position
    records: list[Record] = [(start + n, "", value) for n, value in enumerate(values)]
    index.take(records, start + len(values))
    return index


def ids(index: AlertIndex, **query: Any) -> list[str]:
    return [found.id for found in index.query(AlertQuery(**query)).alerts]


def everything(index: AlertIndex) -> list[Any]:
    """All that a view holds, in the order of its tables."""
    return [
        index._db.execute(f"select * from {table} order by 1, 2").fetchall()
        for table in ("alerts", "facts")
    ] + [index._db.execute("select rowid, text from words order by 1").fetchall()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alert", ["b", "a"]),
        ("ALERT", ["b", "a"]),
        ("brute", ["a"]),
        ("brut forc", ["a"]),
        ('"brute force"', ["a"]),
        ('"force brute"', []),
        ("10.0.0.7", ["b"]),
        ("ip=10.0.0.7", ["b"]),
        ("critical", ["b"]),
        ("attack.t1110", ["a"]),
        ("muenchen münchen", []),
        ("Munchen", ["b"]),
        ("x OR alert", []),
        ("-", []),
        ('"', []),
        ("a\x00b", ["b", "a"]),
    ],
)
def test_words_are_found_wherever_an_alert_says_them(
    text: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = filled(
        None,
        alert(1, id="a", title="An alert: brute force", tags=["attack.t1110"]),
        alert(7, id="b", description="alert in München", severity="critical"),
    )
    assert ids(index, text=text) == expected
    monkeypatch.setattr(alert_index, "_SLICE", 1)
    assert ids(index, text=text) == expected


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_no_text_is_an_error(text: str) -> None:
    ids(_SHARED, text=text)


_SHARED = filled(None, alert(1))


def test_it_finds_what_the_view_in_memory_finds() -> None:
    rand = random.Random(7)
    view = AlertView()
    records: list[Record] = []
    for place in range(300):
        number = rand.randrange(150)
        if rand.random() < 0.1:
            records.append((place, f"id{number}", None))
            continue
        value = alert(
            number, timestamp=rand.randrange(40), pattern=rand.choice("pq"),
            severity=rand.choice(["low", "high", "critical"]), key={"u": rand.randrange(5)},
        )  # fmt: skip
        records.append((place, f"id{number}", value))
    index = AlertIndex()
    index.belongs_to("T", 0, 300)
    news = [found for record in records for found in index.take([record], record[0] + 1)]
    assert news == view.take(records, 300)
    assert (len(index), index.folded) == (len(view), view.folded)
    assert (index.stats(), index.severities()) == (view.stats(), view.severities())
    for query in (
        {}, {"severity": "low"}, {"pattern": "q"}, {"key": "3"}, {"entity": "u=3"},
        {"since_ms": 10, "until_ms": 30}, {"severity": "high", "pattern": "p", "key": "1"},
        {"entity": "u"}, {"key": "none"}, {"text": "alert"}, {"text": "alert", "severity": "low"},
    ):  # fmt: skip
        for odd in (None, lambda name: int(name[2:]) % 7 == 1):
            mine, before = [], None
            while True:
                page = asyncio.run(index.search(AlertQuery(limit=7, before=before, **query), odd))
                mine += page.alerts
                before = page.next_cursor
                if before is None:
                    break
            assert mine == view.query(AlertQuery(limit=1_000, **query), odd).alerts


def test_bad_questions_are_refused() -> None:
    index = filled(None, alert(1))
    for query, code in (
        ({"severity": "worst"}, "alert.severity_unknown"), ({"limit": 0}, "alert.limit_invalid"),
        ({"before": "x"}, "alert.cursor_invalid"),
        ({"before": f"1.{2**70}"}, "alert.cursor_invalid"),
    ):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            index.query(AlertQuery(**query))
        assert refused.value.code == code


def test_what_is_too_much_or_no_longer_kept_leaves(tmp_path: Path) -> None:
    index = filled(tmp_path / "a", *(alert(n) for n in range(10)), count_max=4)
    assert (ids(index), index.evicted) == (["id9", "id8", "id7", "id6"], 6)
    index.forget_before(8)
    assert ids(index) == ["id9", "id8"]
    assert ids(index, text="alert") == ["id9", "id8"]
    index.close()
    index.close()


def test_a_file_goes_on_where_it_was_and_with_its_own_log_only(tmp_path: Path) -> None:
    path = tmp_path / "views" / "a"
    filled(path, alert(1), alert(2)).close()
    index = AlertIndex(path)
    index.belongs_to("T", 0, 2)
    assert (index.position, ids(index)) == (2, ["id2", "id1"])
    assert index.take([(1, "", alert(2)), (2, "", alert(3))], 3)[0][0] == 2
    assert index.folded == 0
    index.close()
    for topic, end in (("U", 9), ("U", 0)):
        index = AlertIndex(path)
        index.belongs_to(topic, 0, end)
        assert (index.position, len(index)) == (0, 0)
        index.take([(0, "", alert(1))], 1)
        index.close()


def test_damage_and_another_boot_mean_reading_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    filled(path, alert(1)).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + b"\xff" * 5_000 + whole[5_200:])
    assert AlertIndex(path).position == 0
    path.unlink()
    index = filled(path, alert(1))
    index._db.close()  # no clean end
    kept = AlertIndex(path)
    assert kept.position == 1
    kept._db.close()
    monkeypatch.setattr(alert_index, "_boot", lambda: "another one")
    assert AlertIndex(path).position == 0


def test_a_file_that_somebody_has_is_left_alone(tmp_path: Path) -> None:
    first = filled(tmp_path / "a", alert(1))
    second = filled(tmp_path / "a", alert(2))
    assert (ids(first), ids(second)) == (["id1"], ["id2"])
    first.close()
    assert ids(AlertIndex(tmp_path / "a")) == ["id1"]
    nowhere = filled(Path("/proc/none/a"), alert(3))
    assert ids(nowhere) == ["id3"]


_WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.journal.test_alert_index import alert
from summit.journal.alert_index import AlertIndex
index = AlertIndex(Path({path!r}))
index.belongs_to("T", 0, 10**9)
place = index.position
while True:
    count = 1 + place % 7
    index.take([(n, "", alert(n % 500)) for n in range(place, place + count)], place + count)
    place += count
    print(place, flush=True)
"""


def test_kills_leave_what_a_reading_from_the_start_gives(tmp_path: Path) -> None:
    path = tmp_path / "a"
    root = str(Path(__file__).parents[2])
    script = _WRITER.format(root=root, path=str(path))
    told = 0
    for round_ in range(2):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(40 + 30 * round_):
                told = int(child.stdout.readline())
            os.kill(child.pid, signal.SIGKILL)
        index = AlertIndex(path)
        index.belongs_to("T", 0, 10**9)
        assert index.position >= told
        anew = AlertIndex()
        anew.belongs_to("T", 0, 10**9)
        records: list[Record] = [(n, "", alert(n % 500)) for n in range(index.position)]
        anew.take(records, index.position)
        assert everything(index) == everything(anew)
        assert (index._db.execute("pragma integrity_check").fetchall()) == [("ok",)]
        index.close()


def test_two_readers_of_a_log_and_one_that_comes_later_agree(
    each_backend: list[str], tmp_path: Path
) -> None:
    async def run() -> None:
        async with StreamProducer({"bootstrapServers": each_backend, "lingerMs": 0}) as writer:
            one = AlertFollower(each_backend, view=AlertIndex(tmp_path / "1"), name="one")
            await one.start()
            for number in (1, 2, 1):
                await writer.send({"topic": "alerts", "key": f"id{number}", "value": alert(number)})
            await one.stop()
            await writer.send({"topic": "alerts", "key": "id2", "value": None})
            await writer.send({"topic": "alerts", "key": "id3", "value": alert(3)})
            views = [AlertIndex(tmp_path / "1"), AlertIndex(tmp_path / "2"), AlertIndex()]
            readers = [
                AlertFollower(each_backend, view=view, name=f"reader-{n}")
                for n, view in enumerate(views)
            ]
            await asyncio.gather(*(reader.start() for reader in readers))
            assert ids(views[0]) == ["id3", "id1"]
            assert everything(views[0]) == everything(views[1]) == everything(views[2])
            await asyncio.gather(*(reader.stop() for reader in readers))

    asyncio.run(run())


def test_a_search_is_words_and_phrases_only() -> None:
    assert match_of('say "a b" c"d') == '"say"* "a b" "c""d"*'
    assert msgspec.json.encode(match_of("  ")) == b'"\\"\\""'
    assert sqlite3.sqlite_version_info >= (3, 30)
