"""`EventTransformer`: the guide's transformer, in one process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from summit.base.emitter import Emitter, Payload
from summit.base.errors import Invalid
from summit.base.secrets import read_secret
from summit.documents import TransformationDocument, validate_transformation
from summit.enrich.transforming import Transformed, Transformer
from summit.event_processing.given import ResultEvent, given_value, result_event
from summit.event_processing.rules import TransformationRule, checked_rule


class EventTransformer(Emitter):
    """Changes events by rules: those for an event's type in their order, then those for `*`.

    Events are never altered; what comes back is new and shares nothing with them. The `topics` of
    rules do not matter here, and neither does the record around an event: its key and headers
    stay, also where the event's own members of these names are masked.

    Events told: per event that a rule has changed `event:transformed` {event, rules, changed};
    per operation that could not be done `transformation:error` {event, rule, error}, with the
    event as it has become and an error that holds no value of it; `event:rejected` {code,
    message, event} for what `transform_events` was given and is no event; `error`.

    Args:
        secrets: Secrets by name, for `key: "${NAME}"` of `hash`; without it the environment's.
    """

    def __init__(self, *, secrets: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._secret = partial(read_secret, known=secrets)
        self._rules: dict[str, tuple[TransformationRule, TransformationDocument]] = {}
        self._transformer = Transformer((), self._secret)
        self._stats = {"transformed": 0, "errors": 0, "dropped": 0, "rejected": 0}

    def register_transformation_rule(self, rule: TransformationRule | Mapping[str, Any]) -> None:
        """Let a rule act from now on; the same id replaces, in its place.

        Raises: Invalid with `problems`, each with a pointer; Invalid("secret.missing").
        """
        made, document = checked_rule(TransformationRule, validate_transformation, rule)
        self._use({**self._rules, document.id: (made, document)})

    def remove_transformation_rule(self, rule_id: str) -> bool:
        """Let a rule act no more; False when there is none with this id."""
        if rule_id not in self._rules:
            return False
        self._use({name: pair for name, pair in self._rules.items() if name != rule_id})
        return True

    def list_transformation_rules(self) -> list[TransformationRule]:
        """The registered rules, in order."""
        return [rule for rule, _ in self._rules.values()]

    async def transform_event(self, event: Any) -> ResultEvent | None:
        """The event as the rules make it; None where a rule that drops it failed on it.

        Args:
            event: A mapping with the names of the wire, an `Event`, JSON, or a record of JSON.
        Raises: Invalid("event.not_object", "event.not_json", "event.empty").
        """
        value, transport = given_value(event)
        done = self._transformer.apply([value])[0]
        return self._told(done, result_event(done.value, transport))

    async def transform_events(self, events: Iterable[Any]) -> list[ResultEvent]:
        """The events as the rules make them, in order, without those that were dropped.

        What is no event is left out and told by `event:rejected`.
        """
        values, transports = [], []
        for event in events:
            try:
                value, transport = given_value(event)
            except Invalid as error:
                self._stats["rejected"] += 1
                told = Payload(code=error.code, message=str(error), event=event)
                self.emit("event:rejected", told)
                continue
            values.append(value)
            transports.append(transport)
        results = [
            self._told(done, result_event(done.value, transport))
            for done, transport in zip(self._transformer.apply(values), transports, strict=True)
        ]
        return [result for result in results if result is not None]

    @property
    def stats(self) -> dict[str, int]:
        """Events transformed, dropped and rejected, and operations that could not be done."""
        return dict(self._stats)

    def _told(self, done: Transformed, result: ResultEvent) -> ResultEvent | None:
        self._stats["errors"] += len(done.faults)
        self._stats["dropped"] += done.is_dropped
        for fault in done.faults:
            rule, _ = self._rules.get(fault.rule, (None, None))
            told = Payload(event=result, rule=rule, error=fault.error)
            self.emit("transformation:error", told)
        if done.is_dropped:
            return None
        if done.changed:
            self._stats["transformed"] += 1
            if self.has_listeners("event:transformed"):
                told = Payload(event=result, rules=done.rules, changed=done.changed)
                self.emit("event:transformed", told)
        return result

    def _use(self, rules: dict[str, tuple[TransformationRule, TransformationDocument]]) -> None:
        plans = [document.plan for _, document in rules.values() if document.enabled]
        self._transformer = Transformer(plans, self._secret)
        self._rules = rules
