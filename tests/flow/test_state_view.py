"""`summit state`: what a key has begun, read from the log while no worker runs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner
from tests.flow.world import T0, failure, five_failures, world

from summit.base.errors import Invalid, SummitError
from summit.cli.state import state
from summit.documents import validate_pattern
from summit.flow.key_texts import parse_keys
from summit.flow.state_view import list_states, show_key
from summit.journal.definition_log import Definition
from summit.journal.state_reading import list_keys, read_keys
from summit.keyed.keys import make_key


def plan(*group_by: str) -> Any:
    return validate_pattern(five_failures(groupBy=list(group_by))).plan


@pytest.mark.parametrize(
    ("fields", "texts", "values"),
    [
        (["ip"], ["10.0.0.1"], [["10.0.0.1"]]),
        (["ip"], ["42"], [["42"], [42]]),
        (["ip"], ['"42"'], [["42"]]),
        (["ip"], ["true"], [["true"], [True]]),
        (["ip"], ["null"], [["null"]]),
        (["ip"], ["[42]"], [[42]]),
        (["ip"], ["ip=a"], [["a"]]),
        (["ip"], ["x=a"], [["x=a"]]),
        (["ip", "user"], ["a", "7"], [["a", "7"], ["a", 7]]),
        (["ip", "user"], ["user=7", "ip=a"], [["a", "7"], ["a", 7]]),
        (["ip", "user"], ['["a", 7]'], [["a", 7]]),
        ([], [], [[]]),
    ],
)
def test_what_a_person_types_becomes_keys(
    fields: list[str], texts: list[str], values: list[Any]
) -> None:
    assert parse_keys(plan(*fields), texts) == [make_key(value) for value in values]


@pytest.mark.parametrize(
    ("fields", "texts"),
    [
        (["ip"], []), (["ip"], ["a", "b"]), (["ip", "user"], ["[1]"]), (["ip"], ["[null]"]),
        ([], ["a"]),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_one_is_refused_with_the_fields(
    fields: list[str], texts: list[str]
) -> None:
    with pytest.raises(Invalid) as caught:
        parse_keys(plan(*fields), texts)
    assert caught.value.code == "state.key_invalid"
    assert (", ".join(fields) or "nothing") in caught.value.advice


async def prepare(servers: list[str]) -> None:
    """Leave unfinished matches of two rules behind, and no worker."""
    async with world(servers) as w:
        worker = await w.start_worker()
        await w.apply(five_failures(), five_failures("two", groupBy=["ip", "user"]))
        await w.settle(
            await w.send(
                *(failure(n, user=7) for n in range(3)),
                failure(3, "b", user="7"),
                *(failure(4, f"k{n}", user=n) for n in range(40)),
            )
        )
        # A key whose match is complete has nothing unfinished.
        await w.settle(await w.send(*(failure(5, "done", user=1) for _ in range(5))))
        await worker.stop()


def test_unfinished_matches_are_shown_from_the_log(each_backend: list[str]) -> None:
    asyncio.run(prepare(each_backend))
    servers = ",".join(each_backend)

    def call(*arguments: str) -> Any:
        result = CliRunner().invoke(state, [*arguments, "-b", servers, "-o", "json"])
        if isinstance(result.exception, SummitError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    (found,) = call("get", "--rule", "brute", "--key", "a")
    assert found["key"] == {"ip": "a"}
    # Each failure begins a run of its own; the first has taken all three.
    first, *_ = found["runs"]
    assert len(found["runs"]) == 3
    assert first["text"] == "waits for 'failed' (3 of 5 taken)"
    assert (first["startedAt"], first["expiresAt"]) == (T0, T0 + 60_000)
    assert [(e["topic"], e["partition"], e["offset"]) for e in first["events"]] == [
        ("auth", 0, 0), ("auth", 0, 1), ("auth", 0, 2),
    ]  # fmt: skip
    assert first["events"][0]["event"]["user"] == 7

    # The number and the text are two keys.
    (typed,) = call("get", "--rule", "two", "--key", "a", "--key", "7")
    assert typed["key"] == {"ip": "a", "user": 7}
    (text,) = call("get", "--rule", "two", "--key", "user=7", "--key", "ip=b")
    assert text["key"] == {"ip": "b", "user": "7"}
    with pytest.raises(Invalid) as caught:
        call("get", "--rule", "two", "--key", '["a", "7"]')
    assert (caught.value.code, caught.value.http_status) == ("state.unknown", 404)
    with pytest.raises(Invalid, match=r"brute.*done"):
        call("get", "--rule", "brute", "--key", "done")
    with pytest.raises(Invalid) as caught:
        call("get", "--rule", "no-such", "--key", "a")
    assert (caught.value.code, caught.value.http_status) == ("definition.unknown", 404)

    whole = call("list", "--rule", "brute")
    assert whole["next"] is None
    assert len(whole["keys"]) == 42
    seen: list[Any] = []
    after: list[str] = []
    while True:
        page = call("list", "--rule", "brute", "-n", "10", *after)
        assert len(page["keys"]) <= 10
        seen += page["keys"]
        if page["next"] is None:
            break
        after = ["--after", page["next"]]
    assert seen == whole["keys"]
    rows = {tuple(row["key"]): row for row in seen}
    assert (rows["a",]["runs"], rows["a",]["events"]) == (3, 3)
    assert rows["a",]["bytes"] == found["bytes"]

    shown = CliRunner().invoke(state, ["get", "--rule", "brute", "--key", "a", "-b", servers])
    assert shown.exit_code == 0
    assert "waits for 'failed' (3 of 5 taken)" in shown.stdout
    assert "auth/0/2" in shown.stdout


def test_before_any_worker_there_is_nothing(servers: list[str]) -> None:
    definition = Definition(
        kind="pattern", id="brute", document=five_failures(), offset=0, version=1, timestamp_ms=0
    )

    async def run() -> None:
        assert await read_keys(servers, "brute/x", ["a"]) == []
        assert (await list_keys(servers, "brute/x", count_max=5)).found == []
        with pytest.raises(Invalid, match="nothing unfinished"):
            await show_key(servers, definition, ["a"])
        assert (await list_states(servers, definition, count_max=5))["keys"] == []

    asyncio.run(run())
