"""Every form of output holds the same values, read back by a reader that is not ours."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import click
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from summit.cli.output import print_document, print_item, print_list

ROWS: list[dict[str, Any]] = [
    {"name": "a", "count": 1, "on": True, "tags": ["x", "y"], "note": None},
    {"name": 'b, "c"\nd', "count": -2, "on": False, "tags": [], "note": "no"},
]
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


def printed(capsys: pytest.CaptureFixture[str], output: str | None) -> str:
    print_list(ROWS, ["name", "count"], output)
    return capsys.readouterr().out


def test_json_jsonl_and_yaml_hold_all_members(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(capsys, "json")) == ROWS
    assert [json.loads(line) for line in printed(capsys, "jsonl").splitlines()] == ROWS
    assert yaml.safe_load(printed(capsys, "yaml")) == ROWS


def test_csv_has_the_columns_first_and_json_in_cells(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "csv"))))
    assert list(rows[0])[:2] == ["name", "count"]
    assert [row["name"] for row in rows] == [row["name"] for row in ROWS]
    assert rows[0] | {"tags": json.loads(rows[0]["tags"])} == {
        "name": "a", "count": "1", "on": "true", "tags": ["x", "y"], "note": "",
    }  # fmt: skip


def test_without_a_terminal_lines_have_tabs_and_no_colours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert printed(capsys, None).splitlines()[0] == "a\t1"
    assert "\x1b" not in printed(capsys, "table")


def test_a_table_shows_what_looks_like_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_list([{"name": "[red]x[/red]"}], ["name"], "table")
    assert "[red]x[/red]" in capsys.readouterr().out


def test_one_thing_and_things_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert not print_document({"a": 1}, None)
    assert not print_item({"a": 1}, "table")
    assert print_document({"a": [1]}, "csv")
    assert capsys.readouterr().out == "a\n[1]\n"
    for each in ROWS:
        assert print_item(each, "yaml")
    assert list(yaml.safe_load_all(capsys.readouterr().out)) == ROWS
    with pytest.raises(click.UsageError, match="jsonl"):
        print_item({}, "csv")


@settings(max_examples=60, deadline=None)
@given(PLAIN)
@example({"ends of lines": "\x85 \u2028 \u2029 \ufeff", "\x85": ["no", "1:30", "~"]})
def test_yaml_says_what_json_says(value: Any) -> None:
    from summit.documents import yaml_text

    assert yaml.safe_load(yaml_text(value)) == value
