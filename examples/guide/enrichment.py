"""Events that learn more: from a table, and from a geo database where there is one."""

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


async def main() -> None:
    event = {"eventType": "user.login", "host": "web1", "ipAddress": "203.0.113.7"}
    enriched = await enricher.enrich_event(event)
    print("Enriched data:", enriched.enriched_data["assets"])
    await enricher.close()


asyncio.run(main())
