"""Guide, "Event Enrichment": geo data by `ipAddress`, and an API lookup with its key."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest


class Lookup(BaseHTTPRequestHandler):
    """A threat intelligence service that tells what it was asked."""

    def do_POST(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        authorized = any("the-key" in value for value in self.headers.values())
        body = json.dumps({"threat": "botnet", "authorized": authorized}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the test's output is its own."""


@pytest.fixture
def api_url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Lookup)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/lookup"
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_an_api_is_asked_with_its_key(api_url: str) -> None:
    async def go() -> None:
        from summit.event_processing import EnrichmentRule, EventEnricher

        enricher = EventEnricher()
        api_enrichment_rule = EnrichmentRule.from_dict(
            {
                "id": "threat-intel-enrichment",
                "eventType": "network.connection",
                "enrichmentType": "api",
                "config": {"apiUrl": api_url, "apiKey": "the-key", "allowPrivate": True},
            }
        )
        enricher.register_enrichment_rule(api_enrichment_rule)
        event = {"eventId": "1", "eventType": "network.connection", "timestamp": 1}
        enriched_event = await enricher.enrich_event(event)
        assert "botnet" in json.dumps(enriched_event.enriched_data)
        assert '"authorized": true' in json.dumps(enriched_event.enriched_data)
        assert "enrichedData" not in event

    asyncio.run(go())


def test_geo_data_without_a_database_is_refused_at_registering() -> None:
    from summit.base.errors import Invalid
    from summit.event_processing import EnrichmentRule, EventEnricher

    enricher = EventEnricher()
    geo_enrichment_rule = EnrichmentRule.from_dict(
        {
            "id": "geo-enrichment",
            "eventType": "user.login",
            "enrichmentType": "geo",
            "config": {"ipField": "ipAddress"},
        }
    )
    with pytest.raises(Invalid):
        enricher.register_enrichment_rule(geo_enrichment_rule)
