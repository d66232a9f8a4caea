"""`previous.x`: what is remembered of a key's earlier events."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cep.plans import chunk, event, offsets, run

from summit.cep.rules import compile_rules
from summit.cep.state import STATE_VERSION
from summit.documents import validate_pattern
from summit.keyed.processor import Processor

LOGIN = {"field": "eventType", "operator": "eq", "value": "login"}


def rule(**condition: Any) -> dict[str, Any]:
    other = {"field": "country", "operator": "ne", "ref": "previous.country", **condition}
    return {"id": "r", "groupBy": ["user"], "steps": [{"name": "login", "where": [LOGIN, other]}]}


def matcher_of(document: dict[str, Any]) -> Processor:
    return Processor(compile_rules([validate_pattern(document).plan]))


def login(country: Any, user: str = "u", kind: str = "login") -> bytes:
    return event(kind, 1, user=user, **({} if country is None else {"country": country}))


def found(document: dict[str, Any], *values: bytes) -> list[int]:
    return [place for (place,) in offsets(run(matcher_of(document), *values))]


def test_another_country_than_before_and_the_first_one() -> None:
    values = [login("DE"), login("DE"), login("US"), login("US", "v"), login("US"), login("DE")]
    assert found(rule(), *values) == [0, 2, 3, 5]


def test_any_event_of_the_key_counts_and_one_without_the_field_does_not() -> None:
    values = [login("DE", kind="reset"), login("DE"), login(None, kind="x"), login("DE"),
              login("US", kind="x"), login("DE"), login(5, kind="x"), login("DE")]  # fmt: skip
    assert found(rule(), *values) == [5, 7]


def test_an_event_without_the_key_is_no_fault_when_it_is_only_remembered() -> None:
    matcher = matcher_of(rule())
    applied = matcher.apply([chunk(event("x", 1, country="DE"), event("login", 1, country="DE"))])
    assert [rejected.offset for rejected in applied.outputs.rejected] == [1]


def test_events_outside_of_the_rules_stream_do_not_count() -> None:
    document = {**rule(), "where": 'eventType != "x"'}
    assert found(document, login("DE"), login("US", kind="x"), login("DE")) == [0]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"operator": "eq"}, [0, 1]),
        ({"operator": "eq", "negate": True}, [0, 2, 3]),
        ({"operator": "gt"}, [0, 2]),
        ({"operator": "lte"}, [0, 1, 3]),
    ],
)
def test_every_comparison_holds_while_there_is_none(
    condition: dict[str, Any], expected: list[int]
) -> None:
    values = [login("DE"), login("DE"), login("US"), login("AT")]
    assert found(rule(**condition), *values) == expected


def test_it_is_kept_when_nothing_has_begun_and_with_the_saved_state() -> None:
    matcher = matcher_of({**rule(), "within": "1s"})
    applied = matcher.apply([chunk(login("DE", kind="x"))])
    (key,) = applied.dirty
    matcher.apply([], 1 << 40)
    data = matcher.dump(key)
    assert data is not None
    other = matcher_of({**rule(), "within": "1s"})
    assert other.load(key, data, STATE_VERSION)
    assert other.dump(key) == data
    assert run(other, login("DE"), first=1) == []
    assert len(run(other, login("US"), first=2)) == 1
    other.forget(key)
    assert len(run(other, login("US"), first=3)) == 1, "forgotten: no country is known"


def test_what_is_remembered_has_its_bounds() -> None:
    matcher = matcher_of({**rule(), "limits": {"keys": 3}})
    run(matcher, *(login("DE", f"u{n}") for n in range(10)))
    assert (matcher.stats()["keys"], matcher.stats()["keys_dropped"]) == (3, 7)
    long = "x" * 2_000
    assert found(rule(), login(long), login(long)) == [0, 1], "too long a text is not remembered"


def test_account_takeover() -> None:
    document = {
        "id": "account-takeover", "groupBy": ["userId"], "within": "1h",
        "steps": [
            {"name": "failed", "where": 'eventType == "auth.login.failed" && attempts >= 3'},
            {"name": "reset", "where": 'eventType == "password.reset"'},
            {"name": "success", "where": [
                {"field": "eventType", "operator": "eq", "value": "auth.login.success"},
                {"field": "geolocation.country", "operator": "ne",
                 "ref": "previous.geolocation.country"}]},
        ],
    }  # fmt: skip
    attack = [
        event("auth.login.failed", 1, userId="user123", attempts=5),
        event("password.reset", 2, userId="user123"),
        event("auth.login.success", 3, userId="user123", geolocation={"country": "XX"}),
    ]
    assert len(run(matcher_of(document), *attack)) == 1, "no earlier country is known"
    home = event("auth.login.success", 0, userId="user123", geolocation={"country": "XX"})
    assert run(matcher_of(document), home, *attack) == []
    away = event("auth.login.success", 0, userId="user123", geolocation={"country": "DE"})
    assert len(run(matcher_of(document), away, *attack)) == 1
