"""Lines of text to events; example lines are our own."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared_data import shared_file

from summit.base import limits
from summit.base.errors import Invalid
from summit.events.formats import (
    LineParser,
    RunningYear,
    latest_year,
    parse_json_line,
    parse_sshd,
    parse_syslog,
)
from summit.events.formats.sshd import parse_message


def ms(text):
    return int(datetime.fromisoformat(text).timestamp() * 1_000)


REFERENCE = ms("2024-03-10T00:00:00Z")
YEARS = latest_year(REFERENCE)


def one(line, **options):
    (event,) = parse_syslog(line, YEARS, **options)
    return event


# ---- years ----


@pytest.mark.parametrize(
    ("month", "day", "year"),
    [(3, 9, 2024), (3, 10, 2024), (3, 11, 2024), (3, 12, 2023), (12, 31, 2023), (2, 29, 2024)],
)
def test_latest_year(month, day, year):
    assert YEARS(month, day) == year


def test_a_leap_day_is_looked_for_in_leap_years():
    assert latest_year(ms("2023-06-01T00:00:00Z"))(2, 29) == 2020
    assert latest_year(ms("1907-06-01T00:00:00Z"))(2, 29) == 1904


def test_running_year_turns_at_new_year_and_takes_stragglers():
    year_of = RunningYear(2022)
    dates = [(11, 30), (12, 31), (1, 1), (12, 31), (1, 1), (6, 1), (12, 1), (1, 2)]
    found = [year_of(month, day) for month, day in dates]
    assert found == [2022, 2022, 2023, 2022, 2023, 2023, 2023, 2024]


# ---- syslog ----


def test_old_syslog_lines():
    assert one("Mar  7 04:05:06 web1 sshd[811]: Connection closed by 192.0.2.7") == {
        "eventType": "syslog.message", "timestamp": ms("2024-03-07T04:05:06Z"), "host": "web1",
        "program": "sshd", "pid": 811, "message": "Connection closed by 192.0.2.7",
    }  # fmt: skip
    assert one("<34>Dec 11 22:14:15.25 db2 su(pam_unix)[9]: session opened for user ann") == {
        "eventType": "syslog.message", "facility": "auth", "level": "crit", "severity": "critical",
        "timestamp": ms("2023-12-11T22:14:15.250Z"), "host": "db2", "program": "su",
        "module": "pam_unix", "pid": 9, "message": "session opened for user ann",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "members"),
    [
        ("Mar 07 04:05:06 h kernel: oom", {"program": "kernel", "message": "oom"}),
        ("Mar  7 2019 04:05:06 h p: m", {"timestamp": ms("2019-03-07T04:05:06Z")}),
        (
            "2024-03-07T04:05:06.123456+01:00 h cron[5]: run",
            {"timestamp": ms("2024-03-07T03:05:06.123Z"), "program": "cron", "pid": 5},
        ),
        ("Mar  7 04:05:06 h no tag at all", {"host": "h", "message": "no tag at all"}),
        (
            "Mar  7 04:05:06 h last message repeated 3 times",
            {"eventType": "syslog.repeated", "count": 3},
        ),
        ("Mar  7 04:05:06 h p:", {"program": "p", "message": ""}),
        ("Mar  7 04:05:06 h", {"message": "h"}),
        (
            "<191>Mar  7 04:05:06 h p: m",
            {"facility": "local7", "level": "debug", "severity": "info"},
        ),
        # none of these
        ("Mar 32 04:05:06 h p: m", {"eventType": "log.line"}),
        ("Mar  7 24:05:06 h p: m", {"eventType": "log.line"}),
        ("Feb 30 04:05:06 h p: m", {"eventType": "log.line"}),
        ("2024-13-07T04:05:06Z h p: m", {"eventType": "log.line"}),
        ("<192>x", {"eventType": "log.line", "message": "<192>x"}),
        ("just words", {"eventType": "log.line", "message": "just words"}),
    ],
)
def test_syslog_variants(line, members):
    event = one(line)
    assert {name: event.get(name) for name in members} == members


@pytest.mark.parametrize(
    ("line", "members"),
    [
        ("<14>app[7]: hello", {"program": "app", "pid": 7, "message": "hello"}),
        ("<14>hello world", {"message": "hello world"}),
        ("<14>1 of five is bad", {"message": "1 of five is bad"}),
        ("<14>", {"message": ""}),
    ],
)
def test_a_message_of_the_network_needs_no_time(line, members):
    (event,) = parse_syslog(line, YEARS, is_timed=False)
    priority = {"facility": "user", "level": "info", "severity": "info"}
    assert event == {"eventType": "syslog.message", **priority, **members}
    (event,) = parse_syslog(line, YEARS)
    assert (event["eventType"], event["message"]) == ("log.line", line)


@pytest.mark.parametrize("line", ["app: hello", "<999>x", "<14>1 2024-99-01T00:00:00Z h a - - - x"])
def test_what_is_no_message_of_the_network(line):
    (event,) = parse_syslog(line, YEARS, is_timed=False)
    assert (event["eventType"], event["message"]) == ("log.line", line)


def test_new_syslog_lines():
    line = (
        '<165>1 2024-03-07T04:05:06.003Z web1 app 811 ID47 [a@1 k="v \\"q\\" \\]" e=""][b x="1"]'
        " \ufeffhello there"
    )
    assert one(line) == {
        "eventType": "syslog.message", "facility": "local4", "level": "notice", "severity": "low",
        "timestamp": ms("2024-03-07T04:05:06.003Z"), "host": "web1", "program": "app", "pid": 811,
        "messageId": "ID47", "structuredData": {"a@1": {"k": 'v "q" ]', "e": ""}, "b": {"x": "1"}},
        "message": "hello there",
    }  # fmt: skip
    bare = one("<0>1 - - - - - -")
    assert (bare["severity"], bare["message"]) == ("critical", "")
    assert "timestamp" not in bare
    assert one("<13>1 2024-03-07T04:05:06Z h p worker-1 - - m")["pid"] == "worker-1"
    broken = one('<13>1 2024-03-07T04:05:06Z h p 1 - [x y="1" m')
    assert broken["eventType"] == "log.line"
    assert "[x y=" in broken["message"]


def test_times_without_a_zone_are_in_the_given_one():
    event = one("Mar  7 04:05:06 h p: m", utc_offset_minutes=90)
    assert event["timestamp"] == ms("2024-03-07T02:35:06Z")


# ---- sshd ----

BY = {"sourceIP": "192.0.2.7", "port": 4022, "user": "eve"}


@pytest.mark.parametrize(
    ("message", "members"),
    [
        ("Failed password for eve from 192.0.2.7 port 4022 ssh2",
         {"eventType": "auth.login.failed", "method": "password", "protocol": "ssh2", **BY}),
        ("Failed password for invalid user eve from 192.0.2.7 port 4022 ssh2",
         {"eventType": "auth.login.failed", "method": "password", "protocol": "ssh2",
          "invalidUser": True, **BY}),
        ("Failed none for invalid user  from 192.0.2.7 port 4022 ssh2",
         {"eventType": "auth.login.failed", "method": "none", "protocol": "ssh2",
          "invalidUser": True, "sourceIP": "192.0.2.7", "port": 4022}),
        ("Failed keyboard-interactive/pam for eve from 2001:db8::7 port 4022 ssh2",
         {"eventType": "auth.login.failed", "method": "keyboard-interactive/pam",
          "protocol": "ssh2", **BY, "sourceIP": "2001:db8::7"}),
        ("Failed publickey for eve from ::ffff:192.0.2.7 port 4022 ssh2: RSA SHA256:abc",
         {"eventType": "auth.login.failed", "method": "publickey", "protocol": "ssh2",
          "publicKey": "RSA SHA256:abc", **BY}),
        ("Accepted password for eve from 192.0.2.7 port 4022 ssh2",
         {"eventType": "auth.login.success", "method": "password", "protocol": "ssh2", **BY}),
        ("Accepted publickey for eve from 192.0.2.7 port 4022 ssh2: ED25519 SHA256:xyz",
         {"eventType": "auth.login.success", "method": "publickey", "protocol": "ssh2",
          "publicKey": "ED25519 SHA256:xyz", **BY}),
        ("Postponed keyboard-interactive for eve from 192.0.2.7 port 4022 ssh2 [preauth]",
         {"eventType": "auth.login.pending", "method": "keyboard-interactive", "protocol": "ssh2",
          "phase": "preauth", **BY}),
        ("Invalid user eve from 192.0.2.7 port 4022", {"eventType": "auth.user.invalid", **BY}),
        ("Invalid user eve from 192.0.2.7",
         {"eventType": "auth.user.invalid", "user": "eve", "sourceIP": "192.0.2.7"}),
        ("Illegal user eve from 192.0.2.7",
         {"eventType": "auth.user.invalid", "user": "eve", "sourceIP": "192.0.2.7"}),
        ("input_userauth_request: invalid user eve [preauth]",
         {"eventType": "auth.user.rejected", "user": "eve", "phase": "preauth"}),
        ("User eve from 192.0.2.7 not allowed because not listed in AllowUsers",
         {"eventType": "auth.user.denied", "user": "eve", "sourceIP": "192.0.2.7",
          "reason": "not listed in AllowUsers"}),
        ("Connection closed by 192.0.2.7 [preauth]",
         {"eventType": "ssh.connection.closed", "sourceIP": "192.0.2.7", "phase": "preauth"}),
        ("Connection closed by authenticating user eve 192.0.2.7 port 4022 [preauth]",
         {"eventType": "ssh.connection.closed", "phase": "preauth", **BY}),
        ("Connection reset by invalid user eve 192.0.2.7 port 4022 [preauth]",
         {"eventType": "ssh.connection.reset", "phase": "preauth", "invalidUser": True, **BY}),
        ("Connection from 192.0.2.7 port 4022 on 198.51.100.1 port 22 rdomain \"\"",
         {"eventType": "ssh.connection.opened", "sourceIP": "192.0.2.7", "port": 4022,
          "localAddress": "198.51.100.1", "localPort": 22, "rest": ' rdomain ""'}),
        ("Disconnected from user eve 192.0.2.7 port 4022",
         {"eventType": "ssh.connection.disconnected", **BY}),
        ("Received disconnect from 192.0.2.7: 11: Bye Bye [preauth]",
         {"eventType": "ssh.disconnect.received", "sourceIP": "192.0.2.7", "reasonCode": 11,
          "reason": "Bye Bye", "phase": "preauth"}),
        ("Received disconnect from 2001:db8::7 port 4022:11: disconnected by user",
         {"eventType": "ssh.disconnect.received", "sourceIP": "2001:db8::7", "port": 4022,
          "reasonCode": 11, "reason": "disconnected by user"}),
        ("error: Received disconnect from 192.0.2.7: 3: Auth fail [preauth]",
         {"eventType": "ssh.disconnect.received", "sshLevel": "error", "sourceIP": "192.0.2.7",
          "reasonCode": 3, "reason": "Auth fail", "phase": "preauth"}),
        ("Disconnecting: Too many authentication failures for eve [preauth]",
         {"eventType": "auth.failures.exceeded", "user": "eve", "phase": "preauth",
          "reason": "Too many authentication failures"}),
        (("Disconnecting invalid user eve 192.0.2.7 port 4022: Too many authentication failures"
         " [preauth]"),
         {"eventType": "auth.failures.exceeded", "invalidUser": True, "phase": "preauth",
          "reason": "Too many authentication failures", **BY}),
        (("error: maximum authentication attempts exceeded for eve from 192.0.2.7 port 4022 ssh2"
         " [preauth]"),
         {"eventType": "auth.failures.exceeded", "sshLevel": "error", "phase": "preauth",
          "protocol": "ssh2", "reason": "maximum authentication attempts exceeded", **BY}),
        (("reverse mapping checking getaddrinfo for bad.example [192.0.2.7] failed"
         " - POSSIBLE BREAK-IN ATTEMPT!"),
         {"eventType": "ssh.breakin.suspected", "reverseName": "bad.example",
          "sourceIP": "192.0.2.7"}),
        ("Address 192.0.2.7 maps to bad.example, but this does not map back to the address.",
         {"eventType": "ssh.breakin.suspected", "reverseName": "bad.example",
          "sourceIP": "192.0.2.7"}),
        ("Did not receive identification string from 192.0.2.7 port 4022",
         {"eventType": "ssh.identification.missing", "sourceIP": "192.0.2.7", "port": 4022}),
        ("Bad protocol version identification 'GET /' from 192.0.2.7 port 4022",
         {"eventType": "ssh.identification.bad", "identification": "'GET /'",
          "sourceIP": "192.0.2.7", "port": 4022}),
        ("fatal: Unable to negotiate with 192.0.2.7 port 4022: no matching key exchange [preauth]",
         {"eventType": "ssh.negotiation.failed", "sshLevel": "fatal", "sourceIP": "192.0.2.7",
          "port": 4022, "reason": "no matching key exchange", "phase": "preauth"}),
        ("Server listening on 0.0.0.0 port 22.",
         {"eventType": "ssh.server.listening", "localAddress": "0.0.0.0", "localPort": 22}),
        (("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
         "rhost=192.0.2.7  user=eve"),
         {"eventType": "auth.pam.failed", "module": "pam_unix", "uid": "0", "euid": "0",
          "tty": "ssh", "sourceIP": "192.0.2.7", "user": "eve"}),
        (("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
         "rhost=dsl.example.net "),
         {"eventType": "auth.pam.failed", "module": "pam_unix", "uid": "0", "euid": "0",
          "tty": "ssh", "sourceHost": "dsl.example.net"}),
        (("PAM 4 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= "
         "rhost=192.0.2.7  user=eve"),
         {"eventType": "auth.pam.failed", "count": 4, "uid": "0", "euid": "0", "tty": "ssh",
          "sourceIP": "192.0.2.7", "user": "eve"}),
        ("PAM service(sshd) ignoring max retries; 6 > 3",
         {"eventType": "auth.pam.retries", "service": "sshd", "reason": "6 > 3"}),
        ("pam_unix(sshd:auth): check pass; user unknown",
         {"eventType": "auth.pam.unknown", "module": "pam_unix"}),
        ("pam_unix(sshd:session): session opened for user eve(uid=1000) by (uid=0)",
         {"eventType": "auth.session.opened", "module": "pam_unix", "user": "eve",
          "userId": 1000, "by": "(uid=0)"}),
        ("pam_unix(sshd:session): session closed for user eve",
         {"eventType": "auth.session.closed", "module": "pam_unix", "user": "eve"}),
        ("something new", {}),
    ],
)  # fmt: skip
def test_messages_of_the_ssh_server(message, members):
    assert parse_message(message) == members


@pytest.mark.parametrize(
    ("message", "user"),
    [
        ("Failed password for invalid user a from 6.6.6.6 port 1 ssh2 from 192.0.2.7 port 2 ssh2",
         "a from 6.6.6.6 port 1 ssh2"),
        ("Invalid user x from 6.6.6.6 port 9 from 192.0.2.7 port 2", "x from 6.6.6.6 port 9"),
        ("Invalid user  with a leading space from 192.0.2.7", " with a leading space"),
        ("Connection closed by invalid user x 6.6.6.6 port 9 192.0.2.7 port 2 [preauth]",
         "x 6.6.6.6 port 9"),
        ("User a from 6.6.6.6 not allowed because b from 192.0.2.7 not allowed because c",
         "a from 6.6.6.6 not allowed because b"),
        (("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
         "rhost=192.0.2.7  user=x rhost=6.6.6.6 user=y"), "x rhost=6.6.6.6 user=y"),
    ],
)  # fmt: skip
def test_a_user_name_cannot_forge_the_address(message, user):
    found = parse_message(message)
    assert (found["sourceIP"], found["user"]) == ("192.0.2.7", user)


def test_a_repeated_message_is_that_many_events():
    line = (
        "Mar  7 04:05:06 h sshd[1]: message repeated 3 times: [ Failed password for eve from "
        "192.0.2.7 port 4022 ssh2]"
    )
    events = parse_sshd(line, YEARS)
    assert [event["repeat"] for event in events] == [1, 2, 3]
    for event in events:
        assert event["message"] == "Failed password for eve from 192.0.2.7 port 4022 ssh2"
        assert {name: event[name] for name in BY} == BY
        assert event["eventType"] == "auth.login.failed"
    nested = "message repeated 2 times: [ Connection closed by 192.0.2.7 [preauth]]"
    assert [
        event["message"] for event in parse_sshd(f"Mar  7 04:05:06 h sshd[1]: {nested}", YEARS)
    ] == ["Connection closed by 192.0.2.7 [preauth]"] * 2


def test_an_absurd_repetition_is_cut_and_says_so():
    line = "Mar  7 04:05:06 h sshd[1]: message repeated 999999999 times: [ x]"
    events = parse_sshd(line, YEARS)
    assert len(events) == limits.REPEATED_EVENTS_MAX
    assert events[-1]["repeatsLeftOut"] == 999_999_999 - limits.REPEATED_EVENTS_MAX
    assert len(parse_sshd(line.replace("999999999", "0"), YEARS)) == 1


def test_lines_of_other_programs_stay_as_they_are():
    (event,) = parse_sshd("Mar  7 04:05:06 h sudo: Failed password for eve from x port 1", YEARS)
    assert event["eventType"] == "syslog.message"
    (event,) = parse_sshd("no syslog", YEARS)
    assert event == {"eventType": "log.line", "message": "no syslog"}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80), st.sampled_from(("", "Mar  7 04:05:06 h sshd[1]: ", "<13>1 ")))
def test_nothing_of_a_line_is_lost(tail, head):
    (event, *_) = parse_sshd(head + tail, YEARS)
    assert "eventType" in event
    if event["eventType"] == "log.line":
        assert event["message"] == head + tail


@pytest.mark.parametrize(
    "line",
    [
        "Mar  7 04:05:06 h sshd[1]: Failed password for " + "from " * 12_000,
        "Mar  7 04:05:06 h sshd[1]: Failed password for " + " from 1 port 1" * 4_000 + "x",
        "Mar  7 04:05:06 h sshd[1]: Connection closed by user " + "a 1 port 1 " * 5_000,
        "Mar  7 04:05:06 h sshd[1]: message repeated 2 times: [ " + "]" * 60_000 + "x",
        "<13>1 - - - - - [a" + ' b="c"' * 8_000,
        "<13>1 " + "x " * 30_000,
        "x" * 65_000,
    ],
)
@pytest.mark.timeout(5)
def test_long_hostile_lines_take_no_time(line):
    assert parse_sshd(line, YEARS)


# ---- a source of lines ----


def test_a_line_without_a_time_has_that_of_the_line_before():
    parser = LineParser("sshd", YEARS, start_ms=5)
    first = parser.parse("stray\n")
    assert first == [{"eventType": "log.line", "message": "stray", "timestamp": 5}]
    (event,) = parser.parse("Mar  7 04:05:06 h sshd[1]: Invalid user eve from 192.0.2.7\r\n")
    (after,) = parser.parse("\tstack trace")
    assert after["timestamp"] == event["timestamp"] == ms("2024-03-07T04:05:06Z")
    assert parser.parse("  \n") == []


def test_plain_lines_have_the_type_that_is_asked_for():
    parser = LineParser("line", YEARS, start_ms=5, event_type="app.log")
    assert parser.parse("hello") == [{"eventType": "app.log", "message": "hello", "timestamp": 5}]


def test_json_lines():
    assert parse_json_line(b' {"a":1}\r\n') == {"a": 1}
    assert parse_json_line(b"  \n") is None
    for line, code in ((b"[1]", "event.not_object"), (b"{", "event.not_json")):
        with pytest.raises(Invalid) as caught:
            parse_json_line(line)
        assert caught.value.code == code


# ---- real logs ----


@pytest.mark.parametrize("name", ["openssh.log", "linux.log"])
def test_a_real_log_is_understood(name):
    lines = shared_file(f"data/{name}").read_text(errors="replace").splitlines()
    year = datetime.now(UTC).year
    parser = LineParser("sshd", latest_year(ms(f"{year}-06-01T00:00:00Z")), start_ms=0)
    events = [event for line in lines for event in parser.parse(line)]
    assert len(events) >= len([line for line in lines if line.strip()])
    assert all(event["timestamp"] > 0 for event in events)
    of_sshd = [event for event in events if event.get("program") == "sshd"]
    assert sum(event["eventType"] == "syslog.message" for event in of_sshd) <= 2


def test_failed_passwords_of_a_real_log_are_all_found():
    text = shared_file("data/openssh.log").read_text(errors="replace")
    expected = []
    for line in text.splitlines():
        found = re.search(r"Failed password for .* from (\S+) port \d+ ssh2", line)
        if found:
            times = re.search(r"message repeated (\d+) times", line)
            expected += [found[1]] * (int(times[1]) if times else 1)
    events = [event for line in text.splitlines() for event in parse_sshd(line, YEARS)]
    assert expected == [
        event["sourceIP"] for event in events
        if event["eventType"] == "auth.login.failed" and event["method"] == "password"
    ]  # fmt: skip
