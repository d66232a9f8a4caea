"""Functions as sources: by name, in time, and what becomes of their errors."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.event_processing import EnrichmentRule, EventEnricher


def rule(**members: Any) -> EnrichmentRule:
    config = members.pop("config", {})
    return EnrichmentRule(
        id="own", event_type="*", enrichment_type="custom", config=config, **members
    )


def enriched(handler: Any, event: dict[str, Any], **members: Any) -> Any:
    enricher = EventEnricher()
    enricher.register_enrichment_rule(rule(handler=handler, **members))
    return asyncio.run(enricher.enrich_event(event))


async def later(event: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(0)
    event["spoiled"] = True
    return {"length": len(event)}


@pytest.mark.parametrize("handler", [later, lambda event: {"length": len(event) + 1}])
def test_a_function_gives_the_row_and_spoils_nothing(handler: Any) -> None:
    event = {"eventType": "x", "n": 1}
    result = enriched(handler, event)
    assert result.enriched_data["own"] == {"length": 3}
    assert event == {"eventType": "x", "n": 1}
    assert "spoiled" not in result


def fail(_: Any) -> None:
    raise ValueError("the event's own secret")


def sleep(_: Any) -> None:
    time.sleep(0.5)


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (fail, "the function failed: ValueError"), (lambda _: object(), "failed: TypeError"),
        (sleep, "more than 50 ms"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_told(handler: Any, reason: str) -> None:
    result = enriched(handler, {"a": 1}, on_error="tag", config={"timeout": 50})
    note = result.enriched_data["_meta"]["enrichments"]["own"]
    assert note["status"] == "error"
    assert reason in note["reason"]
    assert "secret" not in note["reason"]


def test_nothing_is_a_miss_and_a_key_is_handed_over() -> None:
    result = enriched(lambda key: None, {"a": 1})
    assert result.enriched_data["_meta"]["enrichments"]["own"]["status"] == "miss"
    config = {"keyField": "a", "outputField": "seen"}
    assert enriched(lambda key: {"key": key}, {"a": 5}, config=config).enriched_data["seen"] == {
        "key": 5
    }


def test_only_what_is_installed_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("joined", "os.path:join", "summit.enrichers")

    def installed(group: str) -> list[EntryPoint]:
        return [entry] if group == "summit.enrichers" else []

    monkeypatch.setattr("summit.sources.functions.entry_points", installed)
    enricher = EventEnricher()
    enricher.register_enrichment_rule(rule(config={"handler": "joined", "keyField": "a"}))
    result = asyncio.run(enricher.enrich_event({"a": "x"}))
    assert result is not None
    assert result.enriched_data["own"] == "x"
    for name in ("os.system", "os:system", "other"):
        with pytest.raises(Invalid) as caught:
            enricher.register_enrichment_rule(rule(config={"handler": name}))
        assert caught.value.code == "enrichment.handler"
        assert "joined" in str(caught.value)
