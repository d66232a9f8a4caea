"""`EventFilter`: the guide's filter, in one process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from summit.base.emitter import Emitter, Payload
from summit.base.errors import Invalid
from summit.documents import FilterDocument, validate_filter
from summit.enrich.filtering import Filter, Mode
from summit.event_processing.given import given_event
from summit.event_processing.rules import FilterRule, checked_rule


class EventFilter(Emitter):
    """Says which events go on: no rule that excludes may hold, every one that includes must.

    Events told: `event:filtered` {event, rule} for an event that does not go on (`rule` is None
    where no one rule alone stopped it); `event:rejected` {code, message, event} for what is no
    event; `error`. The `topics` of rules do not matter here.

    Args:
        mode: `all` = every rule that includes must hold; `any` = one of them.
    Raises: Invalid("config.invalid") for another mode.
    """

    def __init__(self, *, mode: Mode = "all") -> None:
        super().__init__()
        if mode not in ("all", "any"):
            raise Invalid("config.invalid", reason=f"mode is 'all' or 'any', not {mode!r}")
        self._mode: Mode = mode
        self._rules: dict[str, tuple[FilterRule, FilterDocument]] = {}
        self._filter = Filter(())
        self._stats = {"passed": 0, "filtered": 0, "rejected": 0}

    def register_filter_rule(self, rule: FilterRule | Mapping[str, Any]) -> None:
        """Let a rule act from now on; the same id replaces.

        Raises: Invalid with `problems`, each with a pointer.
        """
        made, document = checked_rule(FilterRule, validate_filter, rule)
        self._use({**self._rules, document.id: (made, document)})

    def remove_filter_rule(self, rule_id: str) -> bool:
        """Let a rule act no more; False when there is none with this id."""
        if rule_id not in self._rules:
            return False
        self._use({name: pair for name, pair in self._rules.items() if name != rule_id})
        return True

    def list_filter_rules(self) -> list[FilterRule]:
        """The registered rules, in order."""
        return [rule for rule, _ in self._rules.values()]

    def filter_event(self, event: Any) -> bool:
        """Whether an event goes on; what is no event does not.

        Args:
            event: A mapping with the names of the wire, an `Event`, JSON, or a record of JSON.
        """
        return bool(self.filter_events([event]))

    def filter_events(self, events: Iterable[Any]) -> list[Any]:
        """The events that go on, in order, as they were given."""
        given, parsed = [], []
        for event in events:
            try:
                parsed.append(given_event(event))
            except Invalid as error:
                self._stats["rejected"] += 1
                told = Payload(code=error.code, message=str(error), event=event)
                self.emit("event:rejected", told)
            else:
                given.append(event)
        passed = []
        for event, verdict in zip(given, self._filter.apply(parsed), strict=True):
            if verdict.passes:
                passed.append(event)
                continue
            self._stats["filtered"] += 1
            rule, _ = self._rules.get(verdict.rule, (None, None))
            self.emit("event:filtered", Payload(event=event, rule=rule))
        self._stats["passed"] += len(passed)
        return passed

    @property
    def stats(self) -> dict[str, int]:
        """Events passed, filtered and rejected."""
        return dict(self._stats)

    def _use(self, rules: dict[str, tuple[FilterRule, FilterDocument]]) -> None:
        plans = [document.plan for _, document in rules.values() if document.enabled]
        self._filter = Filter(plans, self._mode)
        self._rules = rules
