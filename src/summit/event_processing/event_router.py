"""`EventRouter`: to which topics events go, in one process. It names topics; sending is yours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from summit.base.emitter import Emitter, Payload
from summit.base.errors import Invalid
from summit.documents import RouteDocument, validate_route
from summit.enrich.routing import Router
from summit.event_processing.given import given_event
from summit.event_processing.rules import RouteRule, checked_rule


class EventRouter(Emitter):
    """Names the topics of events: those of every route that applies, else of the defaults.

    Events told: `event:routed` {event, topics, rules}; `event:unrouted` {event} where no route
    applies and there is no default; `event:rejected` {code, message, event} for what is no event;
    `error`. The `topics` of rules, where events come from, do not matter here.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rules: dict[str, tuple[RouteRule, RouteDocument]] = {}
        self._router = Router(())
        self._stats = {"routed": 0, "unrouted": 0, "rejected": 0}

    def register_route_rule(self, rule: RouteRule | Mapping[str, Any]) -> None:
        """Let a route act from now on, after those before it; the same id replaces, in its place.

        Raises: Invalid with `problems`, each with a pointer.
        """
        made, document = checked_rule(RouteRule, validate_route, rule)
        self._use({**self._rules, document.id: (made, document)})

    def remove_route_rule(self, rule_id: str) -> bool:
        """Let a route act no more; False when there is none with this id."""
        if rule_id not in self._rules:
            return False
        self._use({name: pair for name, pair in self._rules.items() if name != rule_id})
        return True

    def list_route_rules(self) -> list[RouteRule]:
        """The registered routes, in order."""
        return [rule for rule, _ in self._rules.values()]

    def route_event(self, event: Any) -> list[str]:
        """The topics of an event, each once, in the order of the routes; [] = it goes nowhere.

        Args:
            event: A mapping with the names of the wire, an `Event`, JSON, or a record of JSON.
        """
        return self.route_events([event])[0]

    def route_events(self, events: Iterable[Any]) -> list[list[str]]:
        """The topics of each event, in order; [] also for what is no event."""
        topics: list[list[str]] = []
        for event in events:
            try:
                parsed = given_event(event)
            except Invalid as error:
                self._stats["rejected"] += 1
                told = Payload(code=error.code, message=str(error), event=event)
                self.emit("event:rejected", told)
                topics.append([])
                continue
            routed = self._router.apply([parsed])[0]
            topics.append(list(routed.topics))
            if routed.topics:
                self._stats["routed"] += 1
                self.emit(
                    "event:routed",
                    Payload(event=event, topics=routed.topics, rules=routed.rules),
                )
            else:
                self._stats["unrouted"] += 1
                self.emit("event:unrouted", Payload(event=event))
        return topics

    @property
    def stats(self) -> dict[str, int]:
        """Events routed, those with no place to go, and those rejected."""
        return dict(self._stats)

    def _use(self, rules: dict[str, tuple[RouteRule, RouteDocument]]) -> None:
        plans = [document.plan for _, document in rules.values() if document.enabled]
        self._router = Router(plans)
        self._rules = rules
