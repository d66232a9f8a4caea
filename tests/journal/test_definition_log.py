"""The definitions log: decisions by log order, current set, history."""

from __future__ import annotations

import json
from typing import Any

import pytest

from summit.journal.definition_log import DefinitionLog


def feed(*records: tuple[Any, ...]) -> DefinitionLog:
    log = DefinitionLog()
    for offset, (key, document, *expected) in enumerate(records):
        value = document
        if isinstance(document, dict):
            value = json.dumps(document).encode()
        headers = [("expectedOffset", str(e).encode()) for e in expected]
        log.apply(offset, 1_000 + offset, key, value, headers)
    return log


def decisions(log: DefinitionLog) -> list[str]:
    return [change.decision for change in log.history()]


def test_the_last_accepted_one_is_in_force() -> None:
    log = feed(
        (b"pattern/a", {"id": "a", "name": "1"}),
        (b"stream/a", {"name": "s"}),
        (b"pattern/a", {"name": "2"}),
    )
    assert [(d.kind, d.id, d.document["name"], d.version, d.offset) for d in log.current()] == [
        ("stream", "a", "s", 1, 1),
        ("pattern", "a", "2", 2, 2),
    ]
    assert [d.id for d in log.current("pattern")] == ["a"]
    assert log.next_offset == 3


def test_conditional_writes_are_decided_by_log_order() -> None:
    log = feed(
        (b"pattern/a", {"n": 1}),
        (b"pattern/a", {"n": 2}, 0),
        (b"pattern/a", {"n": 3}, 0),
        (b"pattern/b", {"n": 4}, -1),
        (b"pattern/b", {"n": 5}, -1),
        (b"pattern/a", None, 0),
        (b"pattern/a", None, 1),
        (b"pattern/a", {"n": 6}, -1),
    )
    assert decisions(log) == [
        "accepted", "accepted", "conflict", "accepted", "conflict", "conflict", "accepted",
        "accepted",
    ]  # fmt: skip
    conflict = log.change_at(2)
    assert conflict is not None
    assert conflict.reason == "expected offset 0, the current one is 1"
    found = log.get("pattern", "a")
    assert found is not None
    assert (found.document, found.version) == ({"n": 6}, 3)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (None, {}, []),
        (b"pattern", {}, []),
        (b"/a", {}, []),
        (b"\xff\xfe", {}, []),
        (b"pattern/a", b"{", []),
        (b"pattern/a", b"[]", []),
        (b"pattern/a", b"\xff", []),
        (b"pattern/a", b"[" * 100_000, []),
        (b"pattern/a", {"kind": "stream"}, []),
        (b"pattern/a", {"id": "b"}, []),
        (b"pattern/a", {}, ["x"]),
    ],
)
def test_what_is_no_definition_changes_nothing(key: Any, value: Any, expected: list) -> None:
    log = feed((key, value, *expected))
    assert decisions(log) == ["invalid"]
    assert log.current() == []


def test_ids_may_hold_slashes() -> None:
    log = feed((b"pattern/team/rule", {}))
    assert log.current()[0].id == "team/rule"
    assert log.get("pattern", "team/rule") is not None


def test_the_past_can_be_asked() -> None:
    log = feed(
        (b"pattern/a", {"n": 1}),
        (b"pattern/b", {"n": 2}),
        (b"pattern/a", {"n": 3}, 0),
        (b"pattern/b", None),
    )
    assert [d.document["n"] for d in log.until(2).current()] == [1, 2]
    assert [d.document["n"] for d in log.until(3).current()] == [2, 3]
    assert [d.document["n"] for d in log.until(99).current()] == [3]
    assert log.until(99).next_offset == 4
    assert log.until(0).current() == []


def test_history_of_one_definition() -> None:
    log = feed((b"pattern/a", {"n": 1}), (b"pattern/b", {}), (b"pattern/a", None))
    assert [c.offset for c in log.history("pattern", "a")] == [0, 2]
    assert [c.offset for c in log.history("pattern")] == [0, 1, 2]
