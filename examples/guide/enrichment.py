"""Events that learn more: from a table, a geo database, an API.

The database is the one that SUMMIT_GEOIP_DATABASE names (extra `geo`), the API the one at
THREAT_INTEL_API_URL (extra `http`), asked with the key THREAT_INTEL_API_KEY; without, they are
left out.
"""

import asyncio
import os

from summit.event_processing import EnrichmentRule, EventEnricher

enricher = EventEnricher()
enricher.register_enrichment_rule(
    EnrichmentRule(
        id="assets",
        event_type="*",
        enrichment_type="lookup",
        config={"keyField": "host", "table": {"web1": {"owner": "ann", "critical": True}}},
    )
)
if "SUMMIT_GEOIP_DATABASE" in os.environ:  # a MaxMind database; needs the extra `geo`
    enricher.register_enrichment_rule(
        EnrichmentRule(
            id="geo-enrichment",
            event_type="user.login",
            enrichment_type="geo",
            config={"ipField": "ipAddress"},
        )
    )
if "THREAT_INTEL_API_URL" in os.environ:
    enricher.register_enrichment_rule(
        EnrichmentRule(
            id="threat-intel-enrichment",
            event_type="network.connection",
            enrichment_type="api",
            config={
                "apiUrl": os.environ["THREAT_INTEL_API_URL"],
                "apiKey": os.environ["THREAT_INTEL_API_KEY"],
                "allowPrivate": True,  # addresses of this machine and of private networks, too
            },
        )
    )


async def main() -> None:
    for event in (
        {"eventType": "user.login", "host": "web1", "ipAddress": "5.5.5.5"},
        {"eventType": "network.connection", "eventId": "1", "timestamp": 1_700_000_000_000},
    ):
        enriched = await enricher.enrich_event(event)
        print("Enriched data:", enriched.enriched_data)
    await enricher.close()


asyncio.run(main())
