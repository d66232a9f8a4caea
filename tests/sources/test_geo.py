"""`GeoSource` over databases of our own making; the guide's rule, as it is written there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from tests.sources.mmdb import mmdb

from summit.base.clock import ManualClock, SystemClock
from summit.base.errors import Invalid
from summit.event_processing import EnrichmentRule, EventEnricher
from summit.sources.geo import GeoSource

BERLIN = {
    "continent": {"code": "EU", "names": {"en": "Europe"}},
    "country": {"iso_code": "DE", "names": {"de": "Deutschland", "en": "Germany"}},
    "subdivisions": [{"iso_code": "BE", "names": {"en": "Land Berlin"}}],
    "city": {"names": {"en": "Berlin"}},
    "postal": {"code": "10115"},
    "location": {"latitude": 52.5, "longitude": 13.4, "time_zone": "Europe/Berlin"},
}
ROW = {
    "continent": "Europe", "continentCode": "EU", "country": "Germany", "countryCode": "DE",
    "region": "Land Berlin", "regionCode": "BE", "city": "Berlin", "postalCode": "10115",
    "latitude": 52.5, "longitude": 13.4, "timeZone": "Europe/Berlin",
}  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "city.mmdb"
    asn = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example " * 40}
    path.write_bytes(mmdb({"5.0.0.0/8": BERLIN, "2a00:1::/32": BERLIN, "6.1.0.0/16": asn,
                           "7.0.0.0/8": {"own": ["x", True, 1.5]}}))  # fmt: skip
    return path


def find(source: GeoSource, *keys: Any) -> list[tuple[str, Any]]:
    async def run() -> list[tuple[str, Any]]:
        return [(each.status, each.row or each.reason) for each in await source.find(keys)]

    return asyncio.run(run())


def test_rows_and_why_there_are_none(database: Path) -> None:
    source = GeoSource(str(database), SystemClock())
    assert find(source, "5.6.7.8", "2a00:1::7", "::ffff:5.0.0.1") == [("found", ROW)] * 3
    (asn,) = find(source, "6.1.2.3")
    assert asn[1] == {"asn": 64500, "asOrganization": "Example " * 40}
    assert find(source, "7.7.7.7") == [("found", {"own": ["x", True, 1.5]})]
    assert find(source, "10.0.0.1", "127.0.0.1", "fe80::1", "8.8.8.8", "nowhere", 5) == [
        ("miss", "it is no public address"), ("miss", "it is no public address"),
        ("miss", "it is no public address"), ("miss", "the database does not know it"),
        ("miss", "it is no address"), ("miss", "it is no address"),
    ]  # fmt: skip


def test_a_new_file_is_taken_up(database: Path) -> None:
    clock = ManualClock()

    async def run() -> None:
        source = GeoSource(str(database), clock)
        assert (await source.find(["8.8.8.8"]))[0].status == "miss"
        fresh = database.with_suffix(".new")
        fresh.write_bytes(mmdb({"8.0.0.0/8": BERLIN}))
        os.replace(fresh, database)
        clock.advance(1_000)
        async with asyncio.timeout(10):
            while (await source.find(["8.8.8.8"]))[0].status != "found":
                await asyncio.sleep(0.01)
        database.write_bytes(b"broken")
        clock.advance(1_000)
        for _ in range(5):
            assert (await source.find(["8.8.8.8"]))[0].status == "found"
            await asyncio.sleep(0.01)
        await source.close()

    asyncio.run(run())


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    for name in ("text", "none"):
        with pytest.raises(Invalid) as caught:
            GeoSource(str(tmp_path / name), SystemClock())
        assert caught.value.code == "enrichment.table"


GUIDE = {
    "id": "geo-enrichment", "eventType": "user.login", "enrichmentType": "geo",
    "config": {"ipField": "ipAddress"},
}  # fmt: skip


@pytest.mark.parametrize("given", ["variable", "constructor"])
def test_the_guides_rule(database: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    if given == "variable":
        monkeypatch.setenv("SUMMIT_GEOIP_DATABASE", str(database))
        enricher = EventEnricher()
    else:
        monkeypatch.delenv("SUMMIT_GEOIP_DATABASE", raising=False)
        enricher = EventEnricher(geoip_database=str(database))
    enricher.register_enrichment_rule(EnrichmentRule.from_dict(GUIDE))
    event = {"eventType": "user.login", "ipAddress": "5.5.5.5"}
    enriched = asyncio.run(enricher.enrich_event(event))
    assert enriched is not None
    assert enriched.enriched_data["geo-enrichment"] == ROW
    assert event == {"eventType": "user.login", "ipAddress": "5.5.5.5"}
    private = asyncio.run(enricher.enrich_event({**event, "ipAddress": "10.0.0.1"}))
    assert private is not None
    assert private.enriched_data == {
        "_meta": {"enrichments": {"geo-enrichment": {
            "type": "geo", "status": "miss", "reason": "it is no public address",
        }}}
    }  # fmt: skip
