"""The fields that must outlive their events."""

from __future__ import annotations

from tests.documents.documents import pattern, step

from summit.documents import lower_pattern


def projected(**fields: object) -> set[str]:
    paths = lower_pattern(pattern(**fields)).projected
    assert list(paths) == sorted(paths)
    return {".".join(path) for path in paths}


def test_the_key_the_event_and_its_severity() -> None:
    assert projected() == {"user", "eventId", "severity"}
    fixed = {"type": "alert", "config": {"severity": "low"}}
    assert projected(action=fixed) == {"user", "eventId"}


def test_what_conditions_texts_and_alerts_read_of_captured_events() -> None:
    found = projected(
        groupBy=["a.b"],
        where="stream == 1",
        steps=[
            step("x"),
            {"name": "y", "where": "own == x.last.kept && sum(x.bytes) > 5"},
            {"name": "z", "where": "own == 1", "times": {"min": 1}, "until": "q == y.first.ended"},
        ],
        action={
            "type": "alert",
            "config": {
                "severity": "low",
                "title": "${ip} ${x.first.name}",
                "description": "${distinct(z.port)} ${count(z)}",
                "fields": ["extra"],
            },
        },
    )
    assert found == {
        "a.b", "eventId", "kept", "bytes", "ended", "ip", "name", "port", "extra",
    }  # fmt: skip
