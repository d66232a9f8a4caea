"""`EventEnricher`: what it takes, gives back and tells, and its files."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.event_processing import EnrichmentRule, EventEnricher


def rule(rule_id: str = "assets", **config: Any) -> EnrichmentRule:
    return EnrichmentRule(
        id=rule_id, event_type="*", enrichment_type="lookup", config={"key_field": "host", **config}
    )


def enrich(enricher: EventEnricher, *events: Any) -> list[Any]:
    return asyncio.run(enricher.enrich_events(events))


def test_what_is_found_is_added_and_told() -> None:
    enricher = EventEnricher()
    heard: list[Any] = []
    for name in ("event:enriched", "enrichment:error", "event:rejected"):
        enricher.on(name, lambda payload, name=name: heard.append((name, payload)))
    enricher.register_enrichment_rule(rule(table={"web1": {"owner": "eve"}}))
    event = {"eventType": "x", "host": "web1"}
    found, missed, refused = enrich(
        enricher, event, {"host": "db"}, b"[1]", {"host": "web1", "enrichedData": 1}
    )
    assert event == {"eventType": "x", "host": "web1"}
    assert found.enriched_data["assets"] == {"owner": "eve"}
    assert "assets" not in missed.enriched_data
    assert refused["enrichedData"] == 1
    assert [name for name, _ in heard] == ["event:rejected", "event:enriched", "enrichment:error"]
    assert heard[1][1].rules == ("assets",)
    assert (heard[2][1].rule.id, heard[2][1].error.code) == ("assets", "enrichment.failed")
    assert enricher.stats == {
        "found": 1,
        "miss": 1,
        "noKey": 0,
        "error": 1,
        "dropped": 0,
        "rejected": 1,
    }


def test_the_same_id_replaces_and_removing_ends() -> None:
    enricher = EventEnricher()
    enricher.register_enrichment_rule(rule(table={"web1": 1}))
    enricher.register_enrichment_rule(rule(table={"web1": 2}).to_dict())
    assert enrich(enricher, {"host": "web1"})[0].enriched_data["assets"] == 2
    assert [each.id for each in enricher.list_enrichment_rules()] == ["assets"]
    assert enricher.remove_enrichment_rule("assets")
    assert not enricher.remove_enrichment_rule("assets")
    assert enrich(enricher, {"host": "web1"})[0].value == {"host": "web1"}


ROWS = [{"name": "web1", "owner": "eve"}, {"name": "db", "owner": "bob, jr"}]


@pytest.mark.parametrize(
    ("file", "text", "column"),
    [
        ("t.csv", 'name,owner\r\nweb1,eve\r\ndb,"bob, jr"\r\n', None),
        ("t.csv", 'owner,name\neve,web1\n"bob, jr",db\n', "name"),
        ("t.json", json.dumps(ROWS), "name"),
        ("t.json", json.dumps({row["name"]: row for row in ROWS}), None),
    ],
)
def test_files(tmp_path: Path, file: str, text: str, column: str | None) -> None:
    path = tmp_path / file
    path.write_text(text)
    config = {"file": str(path)} | ({"keyColumn": column} if column else {})
    enricher = EventEnricher()
    enricher.register_enrichment_rule(rule(**config))
    for row in ROWS:
        assert enrich(enricher, {"host": row["name"]})[0].enriched_data["assets"] == row
    path.write_text("[]" if file == "t.json" else "name\n")
    assert enricher.stats["found"] == 2
    enricher.register_enrichment_rule(rule(**config) if file == "t.csv" and not column else rule(
        file=str(path), keyColumn="name"))  # fmt: skip
    assert "assets" not in enrich(enricher, {"host": "web1"})[0].enriched_data


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("t.csv", "name\na\na\n"), ("t.csv", "name,x\na,1,2\n"), ("t.csv", 'name\n"a'),
        ("t.json", "{"), ("t.json", "5"), ("t.json", '[{"name": 5}]'), ("t.json", "[5]"),
        ("none.csv", None),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_changes_nothing(tmp_path: Path, file: str, text: str | None) -> None:
    enricher = EventEnricher()
    good = tmp_path / "good.csv"
    good.write_text("name,n\nweb1,1\n")
    enricher.register_enrichment_rule(rule(file=str(good)))
    if text is not None:
        (tmp_path / file).write_text(text)
    with pytest.raises(Invalid) as caught:
        enricher.register_enrichment_rule(rule(file=str(tmp_path / file)))
    assert caught.value.code == "enrichment.table"
    assert enrich(enricher, {"host": "web1"})[0].enriched_data["assets"]["n"] == "1"
    enricher.register_enrichment_rule(rule("other", table={"web1": 2}))
    assert enrich(enricher, {"host": "web1"})[0].enriched_data["assets"]["n"] == "1"


def test_the_cache_is_counted_and_can_be_cleared() -> None:
    asked: list[Any] = []

    def owner(host: str) -> dict[str, str]:
        asked.append(host)
        return {"owner": "eve"}

    async def run() -> None:
        enricher = EventEnricher()
        config = {"keyField": "host", "cache": {"size": 10, "ttl": "1h"}}
        enricher.register_enrichment_rule(
            EnrichmentRule(id="owner", event_type="*", enrichment_type="custom", config=config,
                           handler=owner)
        )  # fmt: skip
        assert enricher.get_cache_stats() == {"hits": 0, "misses": 0, "hitRate": 0.0, "size": 0}
        for host in ("a", "b", "a", "a"):
            found = await enricher.enrich_event({"host": host})
            assert found is not None
            assert found.enriched_data["owner"] == {"owner": "eve"}
        assert asked == ["a", "b"]
        assert enricher.get_cache_stats() == {"hits": 2, "misses": 2, "hitRate": 0.5, "size": 2}
        enricher.clear_cache()
        assert enricher.get_cache_stats()["size"] == 0
        await enricher.enrich_event({"host": "a"})
        assert asked == ["a", "b", "a"]
        await enricher.close()

    asyncio.run(run())
