"""OpenSSH server messages to events.

One row of the table per message: its first word, its event type, its pattern. The names of a
pattern's groups are the members of the event, but: `from` becomes `sourceIP`, or `sourceHost` when
it is a name; `invalid` becomes `invalidUser: true`; `port`, `count` and `reasonCode` are numbers.
Whoever tries to log in chooses the user name, so a name may look like the rest of a line: names
are matched greedily, the last `from … port …` of a line is the true one.

A message without a row keeps the type `syslog.message`.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from summit.events.formats.calendar import YearOf
from summit.events.formats.syslog import parse_syslog

PROGRAMS: Final = frozenset(("sshd", "sshd-session", "sshd-auth"))

_ADDRESS: Final = r"(?P<from>\S+)"
_PORT: Final = r"(?: port (?P<port>\d{1,5}))?"
_PHASE: Final = r"(?: \[(?P<phase>preauth|postauth|net)\])?"
_WHOSE: Final = r"(?:(?P<invalid>invalid|illegal) user )?(?P<user>.*)"
_WHO: Final = r"(?:(?P<invalid>invalid) |authenticating )?user (?P<user>.*) "
_SURE_PORT: Final = r" port (?P<port>\d{1,5})"
_PAM: Final = (
    r"(?:logname=(?P<logname>\S*) )?uid=(?P<uid>\d*) euid=(?P<euid>\d*) tty=(?P<tty>\S*)"
    r" ruser=(?P<remoteUser>\S*) rhost=(?P<from>\S*)\s*(?:user=(?P<user>.*))?"
)


class _Row(NamedTuple):
    event_type: str
    pattern: re.Pattern[str]


def _row(event_type: str, *pattern: str) -> _Row:
    return _Row(event_type, re.compile("".join(pattern), re.ASCII | re.DOTALL))


_BREAK_IN: Final = "ssh.breakin.suspected"
_FAILURES: Final = "auth.failures.exceeded"

# By the first word of the message.
_ROWS: Final[dict[str, tuple[_Row, ...]]] = {
    "Failed": (
        _row("auth.login.failed", r"Failed (?P<method>\S+) for ", _WHOSE,
             rf" from {_ADDRESS} port (?P<port>\d{{1,5}})(?: (?P<protocol>ssh\d?))?",
             r"(?:: (?P<publicKey>.*))?"),
    ),
    "Accepted": (
        _row("auth.login.success", r"Accepted (?P<method>\S+) for (?P<user>.*)",
             rf" from {_ADDRESS} port (?P<port>\d{{1,5}})(?: (?P<protocol>ssh\d?))?",
             r"(?:: (?P<publicKey>.*))?"),
    ),
    "Postponed": (
        _row("auth.login.pending", r"Postponed (?P<method>\S+) for ", _WHOSE,
             rf" from {_ADDRESS} port (?P<port>\d{{1,5}})(?: (?P<protocol>ssh\d?))?", _PHASE),
    ),
    "Partial": (
        _row("auth.login.partial", r"Partial (?P<method>\S+) for ", _WHOSE,
             rf" from {_ADDRESS} port (?P<port>\d{{1,5}})(?: (?P<protocol>ssh\d?))?"),
    ),
    "Invalid": (_row("auth.user.invalid", r"Invalid user (?P<user>.*) from ", _ADDRESS, _PORT),),
    "Illegal": (_row("auth.user.invalid", r"Illegal user (?P<user>.*) from ", _ADDRESS, _PORT),),
    "input_userauth_request:": (
        _row("auth.user.rejected",
             r"input_userauth_request: (?:invalid|illegal) user (?P<user>.*?)", _PHASE),
    ),
    "User": (
        _row("auth.user.denied",
             rf"User (?P<user>.*) from {_ADDRESS} not allowed because (?P<reason>.*)"),
        _row("auth.user.denied", r"User (?P<user>\S*) not allowed because (?P<reason>.*)"),
    ),
    "Connection": (
        _row("ssh.connection.closed", r"Connection closed by ", _WHO, _ADDRESS, _SURE_PORT, _PHASE),
        _row("ssh.connection.closed", r"Connection closed by ", _ADDRESS, _PORT, _PHASE),
        _row("ssh.connection.reset", r"Connection reset by ", _WHO, _ADDRESS, _SURE_PORT, _PHASE),
        _row("ssh.connection.reset", r"Connection reset by ", _ADDRESS, _PORT, _PHASE),
        _row("ssh.connection.opened", rf"Connection from {_ADDRESS} port (?P<port>\d{{1,5}})",
             r"(?: on (?P<localAddress>\S+) port (?P<localPort>\d{1,5}))?(?P<rest>.*)"),
    ),
    "Disconnected": (
        _row("ssh.connection.disconnected",
             r"Disconnected from ", _WHO, _ADDRESS, _SURE_PORT, _PHASE),
        _row("ssh.connection.disconnected", r"Disconnected from ", _ADDRESS, _PORT, _PHASE),
    ),
    "Received": (
        _row("ssh.disconnect.received", r"Received disconnect from (?P<from>\S+?)",
             _PORT, r": ?(?P<reasonCode>\d{1,9}): (?P<reason>.*?)", _PHASE),
    ),
    "Disconnecting": (
        _row(_FAILURES, r"Disconnecting ", _WHO, _ADDRESS, _SURE_PORT,
             r": (?P<reason>Too many authentication failures.*?)", _PHASE),
        _row("ssh.disconnect.sent", r"Disconnecting ", _WHO, _ADDRESS, _SURE_PORT,
             r": (?P<reason>.*?)", _PHASE),
        _row("ssh.disconnect.sent", r"Disconnecting ", _ADDRESS, _PORT,
             r": (?P<reason>.*?)", _PHASE),
    ),
    "Disconnecting:": (
        _row(_FAILURES,
             r"Disconnecting: (?P<reason>Too many authentication failures)(?: for (?P<user>.*?))?",
             _PHASE),
        _row("ssh.disconnect.sent", r"Disconnecting: (?P<reason>.*?)", _PHASE),
    ),
    "maximum": (
        _row(_FAILURES, r"(?P<reason>maximum authentication attempts exceeded) for ", _WHOSE,
             rf" from {_ADDRESS} port (?P<port>\d{{1,5}})(?: (?P<protocol>ssh\d?))?", _PHASE),
    ),
    "reverse": (
        _row(_BREAK_IN, r"reverse mapping checking getaddrinfo for (?P<reverseName>.*)"
             r" \[(?P<from>[^\s\]]+)\] failed(?: - POSSIBLE BREAK-IN ATTEMPT!|\.)?"),
    ),
    "Address": (
        _row(_BREAK_IN, rf"Address {_ADDRESS} maps to (?P<reverseName>.*?), but this does not map"
             r" back to the address(?: - POSSIBLE BREAK-IN ATTEMPT!|\.)?"),
    ),
    "Did": (
        _row("ssh.identification.missing",
             r"Did not receive identification string from ", _ADDRESS, _PORT),
    ),
    "Bad": (
        _row("ssh.identification.bad",
             r"Bad (?:remote )?protocol version identification (?P<identification>.*)",
             rf" from {_ADDRESS}", _PORT),
    ),
    "Unable": (
        _row("ssh.negotiation.failed", r"Unable to negotiate with ", _ADDRESS, _PORT,
             r": (?P<reason>.*?)", _PHASE),
    ),
    "Timeout": (
        _row("ssh.connection.timeout", r"Timeout before authentication for (?:connection from )?",
             _ADDRESS, r"(?: to \S+)?", _PORT, r"(?P<rest>.*)"),
    ),
    "Server": (
        _row("ssh.server.listening",
             r"Server listening on (?P<localAddress>\S+) port (?P<localPort>\d{1,5})\."),
    ),
    "authentication": (_row("auth.pam.failed", r"authentication failure; ", _PAM),),
    "check": (_row("auth.pam.unknown", r"check pass; user unknown"),),
    "session": (
        _row("auth.session.opened", r"session opened for user (?P<user>.*?)",
             r"(?:\(uid=(?P<userId>\d{1,10})\))? by (?P<by>.*)"),
        _row("auth.session.closed", r"session closed for user (?P<user>.*)"),
    ),
    "PAM": (
        _row("auth.pam.failed",
             r"PAM (?P<count>\d{1,9}) more authentication failures?; ", _PAM),
        _row("auth.pam.retries",
             r"PAM service\((?P<service>[^)]*)\) ignoring max retries; (?P<reason>.*)"),
    ),
}  # fmt: skip

_LEVEL: Final = re.compile(r"(error|fatal|debug\d?|info): ", re.ASCII)
_MODULE: Final = re.compile(r"(pam_[a-z0-9_]+)\(([^:)\s]*)(?::([^)\s]*))?\): ", re.ASCII)
_NUMBERS: Final = frozenset(("port", "localPort", "count", "reasonCode", "userId"))


def parse_sshd(line: str, year_of: YearOf, *, utc_offset_minutes: int = 0) -> list[dict[str, Any]]:
    """The events of one syslog line that an OpenSSH server may have written.

    Lines of other programs, and lines that are no syslog, are as `parse_syslog` gives them.

    Args:
        line: Without its newline.
        year_of: Gives the year of a month and day; see `calendar`.
        utc_offset_minutes: The zone of times that name none.
    """
    events = parse_syslog(line, year_of, utc_offset_minutes=utc_offset_minutes)
    if events[0].get("program") in PROGRAMS:
        found = parse_message(events[0]["message"])
        for event in events:
            event.update(found)
    return events


def parse_message(message: str) -> dict[str, Any]:
    """The members that the message of an OpenSSH server gives, `eventType` with them.

    Nothing for a message that is not known.

    >>> parse_message("Failed none for invalid user eve from 192.0.2.9 port 4022 ssh2")["user"]
    'eve'
    """
    found: dict[str, Any] = {}
    level = _LEVEL.match(message)
    if level is not None:
        found["sshLevel"] = level[1]
        message = message[level.end() :]
    module = _MODULE.match(message)
    if module is not None:
        found["module"] = module[1]
        message = message[module.end() :]
    for row in _ROWS.get(message.partition(" ")[0], ()):
        match = row.pattern.fullmatch(message.rstrip(" "))
        if match is not None:
            found["eventType"] = row.event_type
            for name, value in match.groupdict().items():
                if value:
                    _set(found, name, value)
            return found
    return found


def _set(found: dict[str, Any], name: str, value: str) -> None:
    if name == "from":
        member, text = _address(value)
        found[member] = text
    elif name == "invalid":
        found["invalidUser"] = True
    else:
        found[name] = int(value) if name in _NUMBERS else value


@lru_cache(maxsize=4_096)
def _address(text: str) -> tuple[str, str]:
    """The member for an address or host name, and its text; IPv4 inside IPv6 becomes IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "sourceHost", text
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return "sourceIP", str(address.ipv4_mapped)
    return "sourceIP", text
