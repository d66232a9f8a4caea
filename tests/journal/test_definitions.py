"""Definitions through a real broker: own writes are read, followers agree, conflicts are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from summit.base.errors import Conflict, Invalid, Unavailable
from summit.client.producer import StreamProducer
from summit.journal.definition_log import ABSENT_OFFSET
from summit.journal.definitions import Checked, Definitions, check_document


def anything(document: Mapping[str, Any]) -> Checked:
    warnings = ["no groupBy"] if "groupBy" not in document else []
    return Checked(
        kind=document["kind"], id=document["id"], document=dict(document), warnings=warnings
    )


@asynccontextmanager
async def following(servers: list[str]) -> AsyncIterator[Definitions]:
    definitions = Definitions(servers, validate=anything)
    await definitions.start()
    try:
        yield definitions
    finally:
        await definitions.stop()


def rule(name: str, /, **members: Any) -> dict[str, Any]:
    return {"kind": "pattern", "id": name, **members}


def test_a_writer_reads_its_own_write_and_others_follow(each_backend: list[str]) -> None:
    async def run() -> None:
        async with following(each_backend) as one, following(each_backend) as two:
            seen: list[str] = []
            two.on("change", lambda change: seen.append(change.key))
            first = await one.publish(rule("a", name="first"))
            assert first.warnings == ["no groupBy"]
            assert one.get("pattern", "a").document["name"] == "first"
            second = await one.publish(rule("a", name="second", groupBy=["x"]))
            assert (second.definition.version, second.warnings) == (2, [])
            await two.wait_read(second.definition.offset)
            assert two.get("pattern", "a").document["name"] == "second"
            assert seen == ["pattern/a", "pattern/a"]
            offset = await two.delete("pattern", "a")
            await one.wait_read(offset)
            assert one.current() == []

    asyncio.run(run())


def test_a_rule_that_is_not_deleted_still_begins_with_the_past(servers: list[str]) -> None:
    async def run() -> None:
        async with following(servers) as one:
            begins = {"kind": "backfill", "id": "a"}
            await one.publish(begins)
            offset = (await one.publish(rule("a"))).definition.offset
            with pytest.raises(Conflict):
                await one.delete("pattern", "a", expected_offset=offset + 7)
            assert one.get("backfill", "a").document == begins
            await one.delete("pattern", "a", expected_offset=offset)
            assert one.current() == []

    asyncio.run(run())


def test_of_two_who_change_the_same_version_one_is_told(each_backend: list[str]) -> None:
    async def run() -> None:
        async with following(each_backend) as one, following(each_backend) as two:
            offset = (await one.publish(rule("a"))).definition.offset
            results = await asyncio.gather(
                one.publish(rule("a", by="one"), expected_offset=offset),
                two.publish(rule("a", by="two"), expected_offset=offset),
                return_exceptions=True,
            )
            conflicts = [r for r in results if isinstance(r, Conflict)]
            assert len(conflicts) == 1
            assert conflicts[0].code == "definition.conflict"
            with pytest.raises(Conflict):
                await one.publish(rule("a"), expected_offset=ABSENT_OFFSET)
            await one.publish(rule("b"), expected_offset=ABSENT_OFFSET)
            await asyncio.gather(one.wait_read(4), two.wait_read(4))
            assert one.current() == two.current()
            assert [c.decision for c in one.log.history()] == [
                "accepted", "accepted", "conflict", "conflict", "accepted",
            ]  # fmt: skip

    asyncio.run(run())


def test_a_late_follower_is_ready_when_it_has_read_what_was_there(each_backend: list[str]) -> None:
    async def run() -> None:
        async with following(each_backend) as one:
            for number in range(50):
                await one.publish(rule(f"r{number}"))
            async with following(each_backend) as two:
                assert len(two.current("pattern")) == 50
                assert two.next_offset == one.next_offset == 50

    asyncio.run(run())


def test_what_somebody_else_wrote_wrongly_is_skipped_and_kept_in_history(
    each_backend: list[str],
) -> None:
    async def run() -> None:
        async with following(each_backend) as one:
            await one.publish(rule("a"))
            async with StreamProducer(
                {"bootstrapServers": each_backend, "lingerMs": 0}
            ) as producer:
                for key, value in ((None, b"{}"), ("pattern/b", b"{"), ("pattern/b", b"[]")):
                    await producer.send(
                        {"topic": "_summit.definitions", "key": key, "value": value}
                    )
            await one.publish(rule("c"))
            assert [d.id for d in one.current()] == ["a", "c"]
            assert [c.decision for c in one.log.history()] == [
                "accepted", "invalid", "invalid", "invalid", "accepted",
            ]  # fmt: skip

    asyncio.run(run())


def test_unknown_ones_cannot_be_read_or_deleted(each_backend: list[str]) -> None:
    async def run() -> None:
        async with following(each_backend) as one:
            with pytest.raises(Invalid, match="there is no pattern 'x'"):
                one.get("pattern", "x")
            with pytest.raises(Invalid, match="there is no pattern 'x'"):
                await one.delete("pattern", "x")

    asyncio.run(run())


@pytest.mark.slow
def test_without_a_broker_starting_says_so() -> None:
    async def run() -> None:
        definitions = Definitions(["127.0.0.1:1"], validate=anything)
        with pytest.raises(Unavailable):
            await definitions.start()
        await definitions.stop()

    asyncio.run(run())


GUIDE_FORM = {
    "id": "guide",
    "conditions": [{"field": "eventType", "operator": "eq", "value": "a", "eventType": "a"}],
    "action": {"type": "alert", "config": {}},
}


def test_a_document_without_kind_gets_the_one_its_fields_tell() -> None:
    checked = check_document(GUIDE_FORM)
    assert (checked.kind, checked.id) == ("pattern", "guide")
    assert checked.document == {**GUIDE_FORM, "kind": "pattern"}
    assert any("entities" in warning or "groupBy" in warning for warning in checked.warnings)


@pytest.mark.parametrize("topic", ["alerts", "_summit.progress", "auth.dlq"])
def test_a_rule_that_could_never_see_anything_is_refused(topic: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_document({**GUIDE_FORM, "topics": ["auth", topic]})
    assert caught.value.code == "document.invalid"


def test_a_document_with_problems_is_refused_before_it_is_written() -> None:
    with pytest.raises(Invalid) as caught:
        check_document({**GUIDE_FORM, "conditons": []})
    assert caught.value.code == "document.invalid"
