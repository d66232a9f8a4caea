"""`tests`: events that a rule is tried on, and what must come of them. Nothing is run here.

    tests:
      - name: five failures and a login
        events:
          - {at: 0s, eventType: auth.login.failed, sourceIP: 10.0.0.1, times: 5, every: 1s}
          - {at: 6s, eventType: auth.login.success, sourceIP: 10.0.0.1}
        expect: {alerts: 1, severity: high}

A query expects `results` (how many, one a group and window) and `metrics` (which some result has),
a correlation `groups` (how many are closed), `events` and `closeReason` (which some group has).

`at` counts from a fixed base time, `times` and `every` repeat an entry; all other members are the
event's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose
from typing import Any, Final

from summit.base import limits
from summit.base.errors import Invalid
from summit.base.units import parse_duration_ms
from summit.documents.problems import Problems, join_pointer
from summit.documents.section import Section, kind_name
from summit.events.severities import SEVERITIES
from summit.events.times import epoch_ms

TEST_BASE_MS: Final = 1_699_920_000_000  # 2023-11-14T00:00:00Z: windows begin there, too
EXPECTED: Final = ("alerts", "severity", "title")
EXPECTED_OF_QUERY: Final = ("results", "metrics")
EXPECTED_OF_CORRELATION: Final = ("groups", "events", "closeReason")
_OWN: Final = ("at", "times", "every")


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One test of a pattern, a query or a correlation.

    Attributes:
        events: The entries as written.
        alerts: How many alerts must come; None = not looked at.
        severity: What every alert must have; None = not looked at.
        title: What every alert must have; None = not looked at.
        count: How many results of a query, or groups of a correlation, must come.
        having: What some result or group must have, by name.
        pointer: Its place in the document.
    """

    name: str
    events: tuple[Mapping[str, Any], ...]
    alerts: int | None = None
    severity: str | None = None
    title: str | None = None
    count: int | None = None
    having: Mapping[str, Any] = field(default_factory=dict)
    pointer: str = field(default="", compare=False)


def read_tests(pattern: Section, expected: tuple[str, ...] = EXPECTED) -> tuple[RuleTest, ...]:
    """The tests of a rule; those with problems, which are noted, are left out.

    Args:
        expected: What rules of its kind may be expected to do.
    """
    found: list[RuleTest] = []
    for number, (value, pointer) in enumerate(pattern.items("tests")):
        if not isinstance(value, Mapping):
            pattern.problems.add(pointer, f"must be a map, not {kind_name(value)}")
            continue
        test = _read_test(value, pointer, pattern.problems, f"test {number + 1}", expected)
        if test is not None:
            found.append(test)
    return tuple(found)


def expand_test_events(test: RuleTest) -> list[dict[str, Any]]:
    """The events of a test, in the order of their times; equal times keep the written order.

    Each has a `timestamp` (milliseconds since 1970 UTC) and an `eventId`, made where the entry
    has none.
    """
    events: list[dict[str, Any]] = []
    for entry in test.events:
        at_ms = TEST_BASE_MS + parse_duration_ms(entry.get("at", 0))
        every_ms = parse_duration_ms(entry.get("every", 0))
        body = {name: value for name, value in entry.items() if name not in _OWN}
        for number in range(entry.get("times", 1)):
            events.append({"timestamp": at_ms + number * every_ms, **body})
    events.sort(key=lambda event: epoch_ms(event["timestamp"]) or 0)
    for number, event in enumerate(events):
        event.setdefault("eventId", f"test-{number + 1}")
    return events


def failed_expectations(test: RuleTest, alerts: Sequence[Mapping[str, Any]]) -> list[str]:
    """What differs from the expectation, one text each; nothing when the test passes.

    Args:
        alerts: The alerts that came, with the names of the wire.
    """
    failures: list[str] = []
    if test.alerts is not None and len(alerts) != test.alerts:
        failures.append(f"{len(alerts)} alerts instead of {test.alerts}")
    for name, wanted in (("severity", test.severity), ("title", test.title)):
        if wanted is None:
            continue
        if not alerts and test.alerts is None:
            return ["no alert came"]
        for got in dict.fromkeys(str(alert.get(name)) for alert in alerts):
            if got != wanted:
                failures.append(f"an alert has the {name} '{got}' instead of '{wanted}'")
    return failures


def failed_counts(test: RuleTest, rows: Sequence[Mapping[str, Any]], noun: str) -> list[str]:
    """As `failed_expectations`, of what queries and correlations tell.

    Args:
        rows: What came: what `having` of a test names, by name.
        noun: What a row is called, in the plural.
    """
    failures: list[str] = []
    if test.count is not None and len(rows) != test.count:
        failures.append(f"{len(rows)} {noun} instead of {test.count}")
    if test.having and not any(_has(row, test.having) for row in rows):
        wanted = ", ".join(f"{name} = {value}" for name, value in test.having.items())
        failures.append(f"none of the {noun} has {wanted}")
    return failures


def _has(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    for name, value in wanted.items():
        got = row.get(name)
        if isinstance(got, float) and isinstance(value, int | float):
            if not isclose(got, value, rel_tol=1e-9):
                return False
        elif got != value:
            return False
    return True


def _read_test(
    value: Mapping[str, Any], pointer: str, problems: Problems, name: str, names: tuple[str, ...]
) -> RuleTest | None:
    before = len(problems)
    section = Section(value, pointer, problems, names=("name", "events", "expect"), noun="test")
    total = 0
    events: list[Mapping[str, Any]] = []
    for entry, place in section.items("events"):
        if not isinstance(entry, Mapping):
            problems.add(place, f"must be an event (a map), not {kind_name(entry)}")
            continue
        total += _check_entry(entry, place, problems)
        events.append(entry)
    if not events and len(problems) == before:
        section.note("events", "a test needs at least one event")
    if total > limits.TEST_EVENTS_MAX:
        section.note("events", f"{total} events; a test has at most {limits.TEST_EVENTS_MAX}")
    expected = section.mapping("expect")
    if expected is None:
        if not section.has("expect"):
            text = f"a test needs 'expect', such as {{{names[0]}: 1}}"
            section.note("expect", text)
        return None
    inner = Section(expected, section.at("expect"), problems, names=names, noun="expectation")
    if not expected:
        known = " or ".join((", ".join(f"'{name}'" for name in names[:-1]), f"'{names[-1]}'"))
        section.note("expect", f"an expectation needs {known}")
    counted = names[0] if names != EXPECTED else ""
    having: dict[str, Any] = dict(inner.mapping("metrics") or {}) if "metrics" in names else {}
    if "events" in names and inner.has("events"):
        having["events"] = inner.whole("events", least=1)
    if "closeReason" in names and inner.has("closeReason"):
        having["closeReason"] = inner.text("closeReason")
    test = RuleTest(
        section.text("name") or name,
        tuple(events),
        alerts=None if counted else inner.whole("alerts", least=0),
        severity=None if counted else inner.choice("severity", SEVERITIES),
        title=None if counted else inner.text("title"),
        count=inner.whole(counted, least=0) if counted else None,
        having=having,
        pointer=pointer,
    )
    return test if len(problems) == before else None


def _check_entry(entry: Mapping[str, Any], pointer: str, problems: Problems) -> int:
    """Note what is wrong with an entry; gives how many events it stands for."""
    section = Section(entry, pointer, problems, names=entry, noun="test event")
    for name in ("at", "every"):
        if name in entry:
            try:
                parse_duration_ms(entry[name])
            except Invalid as error:
                problems.add_error(join_pointer(pointer, name), error)
    if "timestamp" in entry and "at" in entry:
        section.note("timestamp", "an entry has either 'at' or 'timestamp'")
    elif "timestamp" in entry and epoch_ms(entry["timestamp"]) is None:
        section.note("timestamp", "must be milliseconds since 1970 UTC, or RFC 3339 text")
    count = section.whole("times", least=1, most=limits.TEST_EVENTS_MAX) if "times" in entry else 1
    if count is not None and count > 1 and "every" not in entry:
        section.note("times", "needs 'every': the time from one to the next (0 for none)")
    if "times" in entry and entry["times"] is None:
        section.note("times", "must be a whole number, not null")
    return count or 0
