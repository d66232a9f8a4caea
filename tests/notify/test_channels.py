"""Channels against receivers on this machine: bodies, signatures, retries, refusals."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import sys
import threading
from email import message_from_string
from typing import Any

import pytest
from tests.notify.receivers import HttpReceiver, SmtpReceiver

from summit.base.errors import Invalid, SummitError, Unavailable
from summit.notify import CHANNEL_TYPES, Notice, NotificationChannel, open_channel

ALERT = {
    "id": "a1", "title": "Login after\nbrute force", "severity": "high", "description": "Five.",
    "key": {"ip": "10.0.0.1"}, "pattern": "brute", "runbook": "ops/ssh",
}  # fmt: skip


def notice(**changes: Any) -> Notice:
    values = {"id": "a1/fired", "action": "fired", "alert": ALERT, "at": 1_700_000_000_000}
    return Notice(**{**values, **changes})


def deliver(type_: str, config: dict[str, Any], *notices: Notice) -> None:
    async def run() -> None:
        channel = open_channel({"id": "c", "type": type_, "config": config})
        try:
            for each in notices or (notice(),):
                await channel.deliver(each)
        finally:
            await channel.close()

    asyncio.run(run())


def test_a_webhook_posts_the_notice_signed() -> None:
    with HttpReceiver() as receiver:
        url = f"{receiver.url}/hook?room=soc"
        deliver("webhook", {"url": url, "secret": "s3cret", "bearerToken": "t"})
    ((path, headers, body),) = receiver.requests
    assert path == "/hook?room=soc"
    assert receiver.bodies[0]["alert"] == ALERT
    assert receiver.bodies[0]["action"] == "fired"
    assert headers["Authorization"] == "Bearer t"
    assert headers["X-Summit-Notice"] == "a1/fired"
    assert headers["Content-Type"] == "application/json"
    signed = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["X-Summit-Signature"] == f"sha256={signed}"


def test_what_says_later_is_tried_again_and_what_refuses_is_not() -> None:
    with HttpReceiver(503, 429) as receiver:
        deliver("webhook", {"url": receiver.url})
        assert len(receiver.requests) == 3
    with HttpReceiver(400) as receiver:
        with pytest.raises(Invalid) as refusal:
            deliver("webhook", {"url": receiver.url})
        assert refusal.value.code == "notify.refused"
        assert len(receiver.requests) == 1
    with HttpReceiver(*[503] * 9) as receiver, pytest.raises(Unavailable):
        deliver("webhook", {"url": receiver.url, "retries": 1})
    assert len(receiver.requests) == 2


def test_nobody_there() -> None:
    with HttpReceiver() as receiver:
        url = receiver.url
    with pytest.raises(Unavailable):
        deliver("webhook", {"url": url, "retries": 0})
    with SmtpReceiver() as mails:
        port = mails.port
    with pytest.raises(Unavailable):
        deliver("email", {**MAIL, "port": port, "retries": 0})


def test_slack_pagerduty_and_sms_get_what_they_understand() -> None:
    with HttpReceiver() as receiver:
        deliver("slack", {"url": receiver.url})
        config = {"url": f"{receiver.url}/v2/enqueue", "routingKey": "key"}
        ends = [notice(action=each, by="ann") for each in ("acknowledged", "resolved")]
        deliver("pagerduty", config, notice(), *ends)
        deliver("sms", {"url": receiver.url, "to": ["+41790000000"], "sender": "Summit"})
    slack, trigger, acknowledge, resolve, text = receiver.bodies
    assert slack["text"] == "[high] Login after\nbrute force: fired"
    assert "About: ip=10.0.0.1" in slack["attachments"][0]["text"]
    assert [each["event_action"] for each in (trigger, acknowledge, resolve)] == [
        "trigger", "acknowledge", "resolve",
    ]  # fmt: skip
    assert {each["dedup_key"] for each in (trigger, acknowledge, resolve)} == {"a1"}
    assert trigger["payload"]["severity"] == "error"
    assert trigger["routing_key"] == "key"
    assert (text["to"], text["from"]) == (["+41790000000"], "Summit")


MAIL: dict[str, Any] = {
    "host": "127.0.0.1", "security": "none", "sender": "summit@example.org",
    "to": ["soc@example.org"],
}  # fmt: skip


def test_a_mail_is_sent_once_it_is_taken() -> None:
    with SmtpReceiver(451) as receiver:
        users = ("eve@example.org", "bob")
        deliver("email", {**MAIL, "port": receiver.port}, notice(users=users, level=2))
    ((recipients, text),) = receiver.mails
    assert recipients == ["soc@example.org", "eve@example.org"]
    mail = message_from_string(text)
    assert mail["Subject"] == "[high] Login after brute force: fired"
    assert mail["X-Summit-Notice"] == "a1/fired"
    assert "Runbook: ops/ssh" in str(mail.get_payload())
    assert "Escalation level 2" in str(mail.get_payload())


def test_a_mail_that_is_refused_is_not_tried_again() -> None:
    with SmtpReceiver(554) as receiver, pytest.raises(Invalid) as refusal:
        deliver("email", {**MAIL, "port": receiver.port})
    assert refusal.value.code == "notify.refused"
    assert receiver.mails == []


@pytest.mark.parametrize(
    ("type_", "config"),
    [
        ("fax", {}),
        ("webhook", {}),
        ("webhook", {"url": "ftp://x"}),
        ("webhook", {"url": "http://x", "colour": "red"}),
        ("webhook", {"url": "http://x", "retries": -1}),
        ("pagerduty", {}),
        ("sms", {"url": "http://x", "to": []}),
        ("email", {**MAIL, "to": []}),
        ("email", {**MAIL, "to": ["nobody"]}),
        ("email", {**MAIL, "to": ["a@b\r\nBcc: c@d"]}),
        ("email", {**MAIL, "security": "ssl"}),
        ("email", {**MAIL, "host": "mail.example.org", "username": "u", "password": "p"}),
        ("email", {**MAIL, "username": "u"}),
    ],
)
def test_what_cannot_work_is_refused_at_once(type_: str, config: dict[str, Any]) -> None:
    with pytest.raises(SummitError):
        open_channel({"id": "c", "type": type_, "config": config})


def test_no_secret_shows() -> None:
    configs: dict[str, dict[str, Any]] = {
        "slack": {"url": "https://hooks.example.org/services/hidden"},
        "teams": {"url": "https://teams.example.org/hidden"},
        "pagerduty": {"routingKey": "hidden"},
        "webhook": {"url": "https://x/?token=hidden", "secret": "hidden"},
        "sms": {"url": "https://x/hidden", "to": ["+1"]},
        "email": {**MAIL, "username": "u", "password": "hidden"},
    }
    assert set(configs) == set(CHANNEL_TYPES)
    for type_, config in configs.items():
        channel = NotificationChannel(id="c", type=type_, config=config)
        assert "hidden" not in repr(channel) + str(channel)


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(Invalid) as refusal:
        deliver("webhook", {"url": "http://127.0.0.1:1"})
    assert "[http]'" in refusal.value.advice


def test_what_is_no_http_does_not_bring_the_address_into_the_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/services/hidden"
        with pytest.raises(Unavailable) as refusal:
            deliver("webhook", {"url": url, "retries": 0})
        thread.join(10)
    assert "hidden" not in str(refusal.value)


@pytest.mark.parametrize("kind", ["sms", "pagerduty"])
def test_texts_of_ones_own_are_sent(kind: str) -> None:
    config = {"sms": {"to": ["+1"]}, "pagerduty": {"routingKey": "k"}}[kind]
    with HttpReceiver() as receiver:
        deliver(kind, {"url": receiver.url, **config}, notice(title="Mine", body="And more"))
    text = receiver.requests[0][2].decode()
    assert "Mine" in text
    assert "And more" in text
