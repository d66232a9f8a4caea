"""What a live chart keeps: the last word about each window, anomalies, a bounded number."""

from __future__ import annotations

from typing import Any

from summit.cli.query_chart import Windows, draw


def told(
    start: int, value: int, *, final: bool, key: str = "a", key_group: int = 1
) -> dict[str, Any]:
    group = {"keys": {"k": key}, "count": 1, "metrics": {"n": value}}
    return {
        "window": {"start": start, "end": start + 10}, "final": final, "keyGroup": key_group,
        "groups": [group],
    }  # fmt: skip


def test_what_is_over_takes_the_place_of_what_was_told_before() -> None:
    windows = Windows()
    windows.take(told(0, 1, final=False))
    windows.take(told(0, 2, final=False))
    assert [each["groups"][0]["metrics"]["n"] for each in windows.all()] == [2]
    windows.take(told(0, 3, final=True))
    windows.take(told(0, 2, final=False))  # it was overtaken
    windows.take(told(0, 4, final=True, key="b"))
    windows.take(told(0, 5, final=True, key="c", key_group=2))
    groups = [group for each in windows.all() for group in each["groups"]]
    assert [(group["keys"]["k"], group["metrics"]["n"]) for group in groups] == [
        ("a", 3), ("b", 4), ("c", 5),
    ]  # fmt: skip
    for start in range(10, 20_000, 10):
        windows.take(told(start, 1, final=True))
    assert len(windows.all()) == 500


def test_the_last_anomaly_is_told_in_words() -> None:
    windows = Windows()
    result = told(0, 9, final=True)
    said = {"flagged": True, "severity": "high", "explanation": "9 where 1 is expected"}
    result["groups"][0]["watched"] = {"n": {"anomaly": said}}
    windows.take(result)
    assert windows.last_anomaly == "! high: n a: 9 where 1 is expected"
    drawn = draw(windows.all(), "q", (None, None), (60, 5))
    assert "q: n" in drawn
    assert "●" in drawn
