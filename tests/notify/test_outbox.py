"""When how much of what waits may go: limits, digests, pauses. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.base.limits import NOTICES_WAITING_MAX
from summit.documents.notification import NotificationPlan, validate_notification
from summit.notify import prepare_recipient
from summit.notify.letters import Letter
from summit.notify.outbox import Outbox


def letter(number: int, action: Any = "fired") -> Letter:
    return Letter("n", f"a{number}", action, number, 0)


def outbox(count: int = 0, **plan: Any) -> Outbox:
    box = Outbox(NotificationPlan("n", "webhook", {}, **plan))
    for number in range(count):
        box.add(letter(number), 0)
    return box


def test_one_by_one_at_once() -> None:
    box = outbox(2)
    assert box.low_offset() == 0
    assert box.parcel(0) == [letter(0)]
    assert box.parcel(0) == [letter(0)], "until it is told what became of it"
    box.sent([letter(0)], 0)
    assert box.low_offset() == 1
    assert box.parcel(0) == [letter(1)]
    box.sent([letter(1)], 0)
    assert (box.parcel(0), box.due_ms(0), box.low_offset()) == ([], None, None)


def test_a_limit_holds_back_and_what_it_held_goes_together() -> None:
    box = outbox(5, rate_count=2, rate_ms=1_000)
    for now_ms in (0, 10):
        (first,) = box.parcel(now_ms)
        box.sent([first], now_ms)
    assert box.parcel(20) == []
    assert box.due_ms(20) == 1_000
    together = box.parcel(1_000)
    assert together == [letter(2), letter(3), letter(4)]
    box.sent(together, 1_000)
    box.add(letter(9), 1_001)
    assert box.due_ms(1_001) == 1_010, "two within each second, this one after the one at 10"


def test_a_digest_waits_for_others() -> None:
    box = outbox(digest_ms=500, digest_max=2)
    for number in range(3):
        box.add(letter(number), number * 100)
    assert (box.parcel(499), box.due_ms(0)) == ([], 500)
    assert box.parcel(500) == [letter(0), letter(1)]
    box.sent([letter(0), letter(1)], 500)
    assert (box.parcel(500), box.due_ms(500)) == ([], 700)


def test_pauses_double_and_end() -> None:
    box = outbox(1, attempts=4, backoff_ms=100)
    now_ms, dues = 0, []
    while box.failed(now_ms):
        due_ms = box.due_ms(now_ms)
        assert due_ms is not None
        dues.append(due_ms - now_ms)
        now_ms = due_ms
    assert dues == [100, 200, 400]


def test_a_pile_goes_together_and_tests_alone() -> None:
    box = outbox(60)
    assert len(box.parcel(0)) == 50
    box = Outbox(NotificationPlan("n", "pagerduty", {}))
    for number in range(60):
        box.add(letter(number), 0)
    assert len(box.parcel(0)) == 1
    box = outbox(digest_ms=1)
    box.add(letter(1, "test"), 0)
    box.add(letter(2), 0)
    assert box.parcel(5) == [letter(1, "test")]


def test_it_is_bounded() -> None:
    box = outbox(NOTICES_WAITING_MAX)
    assert box.add(letter(-1), 0) == letter(0)
    assert len(box) == NOTICES_WAITING_MAX


DOCUMENT: dict[str, Any] = {
    "kind": "notification", "id": "n", "type": "webhook", "config": {"url": "https://a.example/x"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"type": "pigeon"}, "/type"),
        ({"on": ["fired", "born"]}, "/on"),
        ({"retry": {"attempts": 0}}, "/retry/attempts"),
        ({"rateLimit": {"per": "1m"}}, "/rateLimit/count"),
        ({"rateLimit": {"count": 1}}, "/rateLimit/per"),
        ({"digest": {"max": 1}}, "/digest/every"),
        ({"escalate": [{"after": "1m"}]}, "/escalate/0/notify"),
        (
            {"escalate": [{"after": 9, "notify": ["a"]}, {"after": 9, "notify": ["a"]}]},
            "/escalate/1/after",
        ),
        ({"repeat": "1m"}, "/repeat"),
        ({"subject": "${a b}"}, "/subject"),
        ({"config": None}, "/config"),
        ({"notify": ["a"]}, "/notify"),
        ({"type": "pagerduty", "digest": {"every": "1m"}}, "/digest"),
        ({"match": {"severty": "high"}}, "/match/severty"),
        ({"match": {}}, "/match"),
        ({"config": {"url": "https://a.example/x", "secret": "s3cret"}}, "/config/secret"),
        ({"config": {"url": "ftp://a.example"}}, "/config"),
        ({"config": {"urll": "https://a.example"}}, "/config"),
        (
            {"config": {"url": "https://a.example/x", "bearer_token": "plain"}},
            "/config/bearerToken",
        ),
        ({"config": {"url": "https://user:pass@a.example/x"}}, "/config/url"),
        ({"type": "file", "config": {"name": "x"}, "digest": {"every": "1m"}}, "/digest"),
        ({"type": "slack"}, "/config/url"),
        ({"type": "teams"}, "/config/url"),
        ({"type": "pagerduty", "config": {"routingKey": "k"}}, "/config/routingKey"),
        ({"type": "file", "config": {"name": "../x"}}, "/config/name"),
        ({"type": "file", "config": {"name": "/etc/x"}}, "/config/name"),
        ({"type": "topic", "config": {"topic": "alerts"}}, "/config/topic"),
    ],
)
def test_a_bad_document_is_refused_with_its_place(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refusal:
        prepare_recipient(validate_notification({**DOCUMENT, **changes}).plan)
    problems = refusal.value.details.get("problems")
    places = [refusal.value.details.get("pointer")] if problems is None else [
        problem.pointer for problem in problems
    ]  # fmt: skip
    assert any(str(place).startswith(pointer) for place in places), places


def test_secrets_are_read_when_it_is_opened_only() -> None:
    document = {**DOCUMENT, "type": "slack", "config": {"url": "${NOT_SET}", "secret": "file:/no"}}
    recipient = prepare_recipient(validate_notification(document).plan)
    assert recipient.plan.config["url"] == "${NOT_SET}"
