"""`EventEnricher`: the guide's enricher, in one process. Now: lookups in tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from summit.base.emitter import Emitter, Payload
from summit.base.errors import Invalid
from summit.documents.enrichment import EnrichmentDocument, validate_enrichment
from summit.enrich.enriching import Ask, Enriched, Enricher, Found
from summit.enrich.table_files import read_table
from summit.enrich.tables import Lookup, compile_table, find_rows
from summit.event_processing.given import ResultEvent, given_value, result_event
from summit.event_processing.rules import EnrichmentRule, checked_rule


class _Registered(NamedTuple):
    rule: EnrichmentRule
    document: EnrichmentDocument
    lookup: Lookup


class EventEnricher(Emitter):
    """Adds to events what tables know of them, under `enrichedData`; events are never altered.

    Of the guide's types there is `lookup`; `api`, `geo` and `custom` are refused at registering.
    A file is read when its rule is registered, and again when it is registered again.

    Events told: `event:enriched` {event, rules} where a rule has found something;
    `enrichment:error` {event, rule, error} where a row could not be put into the event; other
    rules go on. `event:rejected` {code, message, event} for what `enrich_events` was given and is
    no event; `error`. The `topics` of rules do not matter here.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rules: dict[str, _Registered] = {}
        self._enricher = Enricher(())
        self._stats = {"found": 0, "miss": 0, "noKey": 0, "error": 0, "rejected": 0}

    def register_enrichment_rule(self, rule: EnrichmentRule | Mapping[str, Any]) -> None:
        """Let a rule act from now on; the same id replaces, in its place.

        Raises: Invalid with `problems`, each with a pointer; Invalid("enrichment.table",
            "network.invalid") for a table that cannot be used.
        """
        made, document = checked_rule(EnrichmentRule, validate_enrichment, rule)
        plan = document.plan
        rows = plan.table
        if rows is None:
            rows = read_table(plan.file or "", plan.key_column)
        lookup = compile_table(rows, plan.match)
        self._use({**self._rules, document.id: _Registered(made, document, lookup)})

    def remove_enrichment_rule(self, rule_id: str) -> bool:
        """Let a rule act no more; False when there is none with this id."""
        if rule_id not in self._rules:
            return False
        self._use({name: each for name, each in self._rules.items() if name != rule_id})
        return True

    def list_enrichment_rules(self) -> list[EnrichmentRule]:
        """The registered rules, in order."""
        return [each.rule for each in self._rules.values()]

    async def enrich_event(self, event: Any) -> ResultEvent:
        """The event with what was found.

        Args:
            event: A mapping with the names of the wire, an `Event`, JSON, or a record of JSON.
        Raises: Invalid("event.not_object", "event.not_json", "event.empty").
        """
        value, transport = given_value(event)
        done = self._enricher.apply([value], self._find)[0]
        return self._told(done, result_event(done.value, transport))

    async def enrich_events(self, events: Iterable[Any]) -> list[ResultEvent]:
        """The events with what was found, in order; what is no event is left out and told."""
        results = []
        for event in events:
            try:
                results.append(await self.enrich_event(event))
            except Invalid as error:
                self._stats["rejected"] += 1
                told = Payload(code=error.code, message=str(error), event=event)
                self.emit("event:rejected", told)
        return results

    @property
    def stats(self) -> dict[str, int]:
        """Look-ups by what came of them, and events rejected."""
        return dict(self._stats)

    def _told(self, done: Enriched, result: ResultEvent) -> ResultEvent:
        for status in done.statuses.values():
            self._stats[status] += 1
        for name, error in done.errors.items():
            rule = self._rules[name].rule
            self.emit("enrichment:error", Payload(event=result, rule=rule, error=error))
        found = tuple(name for name, status in done.statuses.items() if status == "found")
        if found:
            self.emit("event:enriched", Payload(event=result, rules=found))
        return result

    def _use(self, rules: dict[str, _Registered]) -> None:
        acting = [each for each in rules.values() if each.document.enabled]
        self._enricher = Enricher(each.document.plan for each in acting)
        self._rules = rules

    def _find(self, ask: Ask) -> list[Found]:
        return find_rows(self._rules[ask.rule].lookup, ask.keys)
