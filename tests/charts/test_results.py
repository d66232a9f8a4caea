"""Lines of a query's results: by group, anomalies marked, what was told anew or is no more."""

from __future__ import annotations

from typing import Any

from summit.charts import lines_of_results, svg


def result(end: int, *groups: tuple[str | None, Any], start: int | None = None) -> dict[str, Any]:
    return {
        "window": {"start": end - 10 if start is None else start, "end": end},
        "groups": [
            {"keys": {"k": key}, "count": 1, "metrics": {"top": [1], "n": value}}
            for key, value in groups
        ],
    }  # fmt: skip


def test_each_group_is_a_line_in_order_of_time_whatever_the_order_of_results() -> None:
    results = [result(30, ("a", 3)), result(10, ("a", 1), (None, 7)), result(20, ("a", 2))]
    picture = lines_of_results(results)
    assert (picture.metric, picture.more) == ("n", 0)
    assert [(line.name, list(line.points)) for line in picture.lines] == [
        ("-", [(10, 7.0)]), ("a", [(10, 1.0), (20, 2.0), (30, 3.0)]),
    ]  # fmt: skip
    assert lines_of_results([]).lines == []
    assert lines_of_results(results, metric="no").lines == []
    assert [line.name for line in lines_of_results(results, group="a").lines] == ["a"]


def test_the_last_word_about_a_window_counts_and_sessions_that_grew_are_gone() -> None:
    grown = result(40, ("a", 5), start=0)
    grown["groups"][0]["replaces"] = [{"start": 0, "end": 10}]
    picture = lines_of_results([result(10, ("a", 1)), result(30, ("a", 2)), grown,
                                result(30, ("a", 9))])  # fmt: skip
    assert list(picture.lines[0].points) == [(30, 9.0), (40, 5.0)]


def test_anomalies_are_marks_and_choose_the_metric() -> None:
    flagged = result(20, ("a", 90))
    said = {"flagged": True, "severity": "high", "explanation": "90 where 1 is expected"}
    flagged["groups"][0]["metrics"]["m"] = 4
    flagged["groups"][0]["watched"] = {"n": {"anomaly": said}}
    picture = lines_of_results([result(10, ("a", 1)), flagged])
    assert picture.metric == "n"
    assert [tuple(mark) for mark in picture.lines[0].marks] == [
        (20, 90.0, "high", "90 where 1 is expected")
    ]
    assert svg(picture.lines).count('class="anomaly"') == 1


def test_of_many_groups_those_with_the_most_events_are_drawn() -> None:
    many = result(10, *((f"g{n}", n) for n in range(20)))
    for place, group in enumerate(many["groups"]):
        group["count"] = place
    picture = lines_of_results([many], most=3)
    assert [line.name for line in picture.lines] == ["g17", "g18", "g19"]
    assert picture.title == "n (and 17 more groups)"
