"""What was found against what was planted: exactly those alerts, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from summit.cli.demo.traffic import Planted


def alert_of(alert: Mapping[str, Any]) -> Planted:
    """Rule and key of an alert."""
    key = alert.get("key")
    values = list(key.values()) if isinstance(key, Mapping) else [key]
    return Planted(str(alert.get("pattern")), "/".join(map(str, values)))


class Verdict:
    """Compares alerts with the planted ones, as multisets."""

    def __init__(self, planted: Iterable[Planted], alerts: Iterable[Mapping[str, Any]]) -> None:
        expected = Counter(planted)
        raised = Counter(map(alert_of, alerts))
        self.planted = expected.total()
        self.alerts = raised.total()
        self.missed = sorted((expected - raised).elements())
        self.unexpected = sorted((raised - expected).elements())
        self.found = self.planted - len(self.missed)

    @property
    def exact(self) -> bool:
        """Whether exactly the planted attacks were found."""
        return not self.missed and not self.unexpected
