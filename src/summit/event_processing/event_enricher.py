"""`EventEnricher`: the guide's enricher, in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter, Payload
from summit.base.errors import Invalid
from summit.base.secrets import read_secret
from summit.documents.enrichment import EnrichmentDocument, validate_enrichment
from summit.enrich.enriching import Enriched, Enricher
from summit.enrich.places import Value
from summit.event_processing.given import ResultEvent, given_value, result_event
from summit.event_processing.rules import EnrichmentRule, checked_rule
from summit.events.event import Transport
from summit.sources.source import Source
from summit.sources.sources import SourceSettings, open_source


class _Registered(NamedTuple):
    rule: EnrichmentRule
    document: EnrichmentDocument
    source: Source


class EventEnricher(Emitter):
    """Adds to events what tables, services, geo databases and functions know of them.

    It stands under `enrichedData`, with where it came from under `enrichedData._meta.enrichments`;
    events are never altered. The `topics` of rules do not matter here.

    Events told: `event:enriched` {event, rules} where a rule has found something;
    `enrichment:error` {event, rule, error} where a rule has failed; the others go on, and `onError`
    says what becomes of the event. `event:rejected` {code, message, event} for what `enrich_events`
    was given and is no event; `error`.

    Args:
        geoip_database: For geo rules that name none; None = that of `SUMMIT_GEOIP_DATABASE`.
        bootstrap_servers: Addresses of the brokers, for rows of topics.
        secrets: Secrets by name, for `apiKey: "${NAME}"`; without it the environment's.
    """

    def __init__(
        self,
        *,
        geoip_database: str | None = None,
        bootstrap_servers: Sequence[str] = (),
        secrets: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        self._geoip_database = geoip_database
        self._servers = list(bootstrap_servers)
        self._secrets = secrets
        self._clock = clock or SystemClock()
        self._rules: dict[str, _Registered] = {}
        self._enricher = Enricher(())
        self._gone: list[Source] = []
        self._stats = {"found": 0, "miss": 0, "noKey": 0, "error": 0, "dropped": 0, "rejected": 0}

    def register_enrichment_rule(self, rule: EnrichmentRule | Mapping[str, Any]) -> None:
        """Let a rule act from now on; the same id replaces, in its place.

        A file is read now, and again when it changes.

        Raises: Invalid with `problems`, each with a pointer; Invalid("enrichment.table",
            "network.invalid", "enrichment.database", "enrichment.handler", "secret.missing",
            "extra.missing") where the rule's source cannot be had.
        """
        made, document = checked_rule(EnrichmentRule, validate_enrichment, rule)
        handlers = {} if made.handler is None else {document.id: made.handler}
        settings = SourceSettings(
            self._servers, self._geoip_database, handlers,
            lambda reference: read_secret(reference, self._secrets),
        )  # fmt: skip
        source = open_source(document.id, document.plan.source, settings, self._clock)
        if document.id in self._rules:
            self._gone.append(self._rules[document.id].source)
        self._use({**self._rules, document.id: _Registered(made, document, source)})

    def remove_enrichment_rule(self, rule_id: str) -> bool:
        """Let a rule act no more; False when there is none with this id."""
        if rule_id not in self._rules:
            return False
        self._gone.append(self._rules[rule_id].source)
        self._use({name: each for name, each in self._rules.items() if name != rule_id})
        return True

    def list_enrichment_rules(self) -> list[EnrichmentRule]:
        """The registered rules, in order."""
        return [each.rule for each in self._rules.values()]

    async def enrich_event(self, event: Any) -> ResultEvent | None:
        """The event with what was found; None where a rule that drops it has failed on it.

        Args:
            event: A mapping with the names of the wire, an `Event`, JSON, or a record of JSON.
        Raises: Invalid("event.not_object", "event.not_json", "event.empty").
        """
        return (await self._enrich([given_value(event)]))[0]

    async def enrich_events(self, events: Iterable[Any]) -> list[ResultEvent]:
        """The events with what was found, in order, without those that were dropped.

        What is no event is left out and told.
        """
        given = []
        for event in events:
            try:
                given.append(given_value(event))
            except Invalid as error:
                self._stats["rejected"] += 1
                told = Payload(code=error.code, message=str(error), event=event)
                self.emit("event:rejected", told)
        return [result for result in await self._enrich(given) if result is not None]

    def clear_cache(self) -> None:
        """Forget what services and functions have answered."""
        for each in self._rules.values():
            if each.source.cache is not None:
                each.source.cache.clear()

    def get_cache_stats(self) -> dict[str, int | float]:
        """`hits`, `misses`, `hitRate` (0 to 1) and `size` of the caches of all rules."""
        every = [each.source.cache for each in self._rules.values()]
        caches = [cache for cache in every if cache is not None]
        hits, misses = sum(each.hits for each in caches), sum(each.misses for each in caches)
        rate = hits / (hits + misses) if hits + misses else 0.0
        size = sum(len(each) for each in caches)
        return {"hits": hits, "misses": misses, "hitRate": rate, "size": size}

    @property
    def stats(self) -> dict[str, int]:
        """Look-ups by what came of them, and events dropped and rejected."""
        return dict(self._stats)

    async def close(self) -> None:
        """Close connections and files, and know no rules any more. Idempotent."""
        self._gone += [each.source for each in self._rules.values()]
        self._use({})
        await self._tidy()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _enrich(self, given: Sequence[tuple[Value, Transport]]) -> list[ResultEvent | None]:
        await self._tidy()
        asking = self._enricher.asking([value for value, _ in given])
        rules = self._rules
        try:
            ask = next(asking)
            while True:
                ask = asking.send(await rules[ask.rule].source.find(ask.keys))
        except StopIteration as end:
            done: list[Enriched] = end.value
        return [
            self._told(each, result_event(each.value, transport), rules)
            for each, (_, transport) in zip(done, given, strict=True)
        ]

    async def _tidy(self) -> None:
        gone, self._gone = self._gone, []
        await asyncio.gather(*(source.close() for source in gone))

    def _told(
        self, done: Enriched, result: ResultEvent, rules: Mapping[str, _Registered]
    ) -> ResultEvent | None:
        for status in done.statuses.values():
            self._stats[status] += 1
        for name, error in done.errors.items():
            told = Payload(event=result, rule=rules[name].rule, error=error)
            self.emit("enrichment:error", told)
        if done.fate != "pass":
            self._stats["dropped"] += 1
            return None
        found = tuple(name for name, status in done.statuses.items() if status == "found")
        if found:
            self.emit("event:enriched", Payload(event=result, rules=found))
        return result

    def _use(self, rules: dict[str, _Registered]) -> None:
        acting = [each.document.plan for each in rules.values() if each.document.enabled]
        self._enricher = Enricher(acting)
        self._rules = rules
