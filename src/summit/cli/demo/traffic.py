"""The demo's traffic: background, decoys and planted attacks, all from one seed.

Pure: it makes a list of timed items and the list of what must be found. Three channels: `ssh`
(lines of an sshd log), `logins` and `web` (events for the HTTP collector). Within a channel, items
are in event-time order. Seed 0 is a quiet day: background and decoys, no attack.

Each attack and each decoy has an address or user of its own, and background keys stay far below
every rule, so that what must be found is known exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from summit.base.rand import Rand

SSH, LOGINS, WEB = "ssh", "logins", "web"

_PAGES = ("/", "/login", "/cart", "/search", "/api/items", "/api/orders", "/help", "/static/app.js")
_NAMES = ("ada", "grace", "alan", "edsger", "barbara", "donald", "frances", "tony", "radia", "ken")
_AGENTS = ("Firefox/140", "Chrome/150", "Safari/19", "curl/8.9")


class Item(NamedTuple):
    """One line or event, at its event time."""

    at_ms: int
    channel: str
    payload: Any


class Planted(NamedTuple):
    """One alert that must be raised: by which rule, for which key."""

    rule: str
    key: str


@dataclass(slots=True)
class Scenario:
    """A stretch of traffic.

    Args:
        seed: Every choice follows from it.
        start_ms: Event time of the beginning, epoch ms, on a full second.
        duration_ms: Length in event time; at least 200 s.
        background: About how many background items.
        label: Distinguishes the keys of one round from the next.
    """

    seed: int
    start_ms: int
    duration_ms: int = 600_000
    background: int = 40_000
    label: int = 0
    items: list[Item] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)
    decoys: int = 0
    _rand: Rand = field(init=False)
    _addresses: int = 0
    _users: int = 0
    _pid: int = 2000

    def __post_init__(self) -> None:
        self._rand = Rand(f"{self.seed}/{self.label}")
        self._make_background()
        for decoy in (
            self._decoy_ssh_four, self._decoy_ssh_minute, self._decoy_ssh_login,
            self._decoy_two_failures, self._decoy_slow_success, self._decoy_other_action,
            self._decoy_five_seconds, self._decoy_scan_nineteen, self._decoy_scan_ten_seconds,
        ):  # fmt: skip
            for _ in range(self._rand.randint(2, 5)):
                decoy(self._moment())
                self.decoys += 1
        if self.seed != 0:
            self._plant()
        self.items.sort(key=lambda item: item.at_ms)  # stable: equal times keep their order

    # ---- attacks ----

    def _plant(self) -> None:
        attacks: tuple[Callable[[int], None], ...] = (
            self._attack_ssh, self._attack_ssh_repeated, self._attack_ssh_login,
            self._attack_takeover, self._attack_password, self._attack_scan,
        )  # fmt: skip
        for attack in attacks:
            for _ in range(self._rand.randint(1, 2)):
                at_ms = self._moment()
                # The first one comes at once: who watches need not wait to see one found.
                attack(at_ms if self.planted else self.start_ms + 5_000)

    def _attack_ssh(self, at_ms: int) -> None:
        address = self._address()
        for _ in range(self._rand.randint(5, 9)):
            self._ssh_failed(at_ms, address)
            at_ms += self._rand.randint(1, 5) * 1000
        self.planted.append(Planted("ssh-bruteforce", address))

    def _attack_ssh_repeated(self, at_ms: int) -> None:
        address = self._address()
        self._ssh_failed(at_ms, address)
        times = self._rand.randint(4, 8)
        self._ssh(at_ms + 20_000, f"message repeated {times} times: [ {self._failed(address)}]")
        self.planted.append(Planted("ssh-bruteforce", address))

    def _attack_ssh_login(self, at_ms: int) -> None:
        address = self._address()
        for _ in range(self._rand.randint(5, 9)):
            self._ssh_failed(at_ms, address)
            at_ms += self._rand.randint(1, 5) * 1000
        self._ssh_accepted(at_ms, address)
        self.planted.append(Planted("ssh-bruteforce", address))
        self.planted.append(Planted("ssh-bruteforce-login", address))

    def _attack_takeover(self, at_ms: int) -> None:
        user = self._user()
        for _ in range(self._rand.randint(3, 6)):
            self._login(at_ms, "user.login.failed", user)
            at_ms += self._rand.randint(500, 5000)
        self._login(at_ms, "user.login.success", user)
        self._login(at_ms + 1, "user.session.activity", user)
        self.planted.append(Planted("account-takeover", user))

    def _attack_password(self, at_ms: int) -> None:
        user = self._user()
        self._login(at_ms, "user.login.success", user)
        self._login(at_ms + self._rand.randint(300, 4999), "user.password.changed", user)
        self.planted.append(Planted("instant-password-change", user))

    def _attack_scan(self, at_ms: int) -> None:
        address = self._address()
        for _ in range(self._rand.randint(20, 39)):
            self._request(at_ms, address, f"/{self._rand.randint(100, 999)}.php", 404)
            at_ms += self._rand.randint(50, 240)
        self.planted.append(Planted("web-scan", address))

    # ---- decoys: each just under a rule ----

    def _decoy_ssh_four(self, at_ms: int) -> None:
        address = self._address()
        for n in range(4):
            self._ssh_failed(at_ms + n * 4000, address)

    def _decoy_ssh_minute(self, at_ms: int) -> None:
        address = self._address()
        for second in (0, 15, 30, 45, 60):  # the fifth exactly one minute after the first
            self._ssh_failed(at_ms + second * 1000, address)

    def _decoy_ssh_login(self, at_ms: int) -> None:
        address = self._address()
        self._ssh_failed(at_ms, address)
        self._ssh(at_ms + 1000, f"message repeated 3 times: [ {self._failed(address)}]")
        self._ssh_accepted(at_ms + 5000, address)

    def _decoy_two_failures(self, at_ms: int) -> None:
        user = self._user()
        self._login(at_ms, "user.login.failed", user)
        self._login(at_ms + 2000, "user.login.failed", user)
        self._login(at_ms + 4000, "user.login.success", user)
        self._login(at_ms + 4001, "user.session.activity", user)

    def _decoy_slow_success(self, at_ms: int) -> None:
        user = self._user()
        for n in range(3):
            self._login(at_ms + n * 1000, "user.login.failed", user)
        self._login(at_ms + 60_000, "user.login.success", user)

    def _decoy_other_action(self, at_ms: int) -> None:
        user = self._user()
        self._login(at_ms, "user.login.success", user)
        self._login(at_ms + 1000, "user.session.activity", user)
        self._login(at_ms + 2000, "user.password.changed", user)

    def _decoy_five_seconds(self, at_ms: int) -> None:
        user = self._user()
        self._login(at_ms, "user.login.success", user)
        self._login(at_ms + 5000, "user.password.changed", user)

    def _decoy_scan_nineteen(self, at_ms: int) -> None:
        address = self._address()
        for n in range(19):
            self._request(at_ms + n * 100, address, f"/{n}.php", 404)

    def _decoy_scan_ten_seconds(self, at_ms: int) -> None:
        address = self._address()
        for n in range(19):
            self._request(at_ms + n * 100, address, f"/{n}.php", 404)
        self._request(at_ms + 10_000, address, "/19.php", 404)

    # ---- background ----

    def _make_background(self) -> None:
        rand = self._rand
        for n in range(self.background):
            at_ms = self.start_ms + n * self.duration_ms // self.background
            draw = rand.random()
            if draw < 0.6:
                # 404s are rare and spread over 60,000 addresses: nowhere near twenty for one.
                status = rand.choices((200, 302, 404, 500), (90, 6, 3, 1), 1)[0]
                address = f"10.{rand.randint(0, 239)}.{rand.randint(0, 249)}.7"
                self._request(at_ms, address, rand.choice(_PAGES), status)
            elif draw < 0.9:
                user = f"{rand.choice(_NAMES)}{self.label}x{n}"
                if rand.random() < 0.1:
                    self._login(at_ms, "user.login.failed", user)
                self._login(at_ms, "user.login.success", user)
                self._login(at_ms + 1, "user.session.activity", user)
            else:
                self._background_ssh(at_ms // 1000 * 1000, n)

    def _background_ssh(self, at_ms: int, n: int) -> None:
        address = f"172.{16 + self.label % 16}.{n >> 8 & 255}.{n & 255}"
        draw = self._rand.random()
        if draw < 0.5:
            self._ssh_accepted(at_ms, address)
        elif draw < 0.7:
            self._ssh_failed(at_ms, address)
        elif draw < 0.9:
            self._ssh(at_ms, f"Connection closed by {address} port {self._port()} [preauth]")
        else:
            self._ssh(at_ms, f"Received disconnect from {address} port {self._port()}:11: bye")

    # ---- one item ----

    def _moment(self) -> int:
        """A full second from which 90 s are left."""
        seconds = self.duration_ms // 1000
        return self.start_ms + self._rand.randint(5, seconds - 100) * 1000

    def _address(self) -> str:
        self._addresses += 1
        return f"203.{self.label % 256}.{self._addresses >> 8}.{self._addresses & 255}"

    def _user(self) -> str:
        self._users += 1
        return f"{self._rand.choice(_NAMES)}.{self.label}.{self._users}"

    def _port(self) -> int:
        return self._rand.randint(1025, 65535)

    def _failed(self, address: str) -> str:
        user = self._rand.choice(("root", "admin", "invalid user test", "invalid user oracle"))
        return f"Failed password for {user} from {address} port {self._port()} ssh2"

    def _ssh_failed(self, at_ms: int, address: str) -> None:
        self._ssh(at_ms, self._failed(address))

    def _ssh_accepted(self, at_ms: int, address: str) -> None:
        user = self._rand.choice(_NAMES)
        self._ssh(at_ms, f"Accepted password for {user} from {address} port {self._port()} ssh2")

    def _ssh(self, at_ms: int, message: str) -> None:
        self._pid += 1
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
        stamp = f"{moment:%b} {moment.day:>2} {moment:%H:%M:%S}"
        line = f"{stamp} bastion sshd[{self._pid}]: {message}"
        self.items.append(Item(at_ms, SSH, line))

    def _login(self, at_ms: int, event_type: str, user: str) -> None:
        event = self._event(at_ms, event_type)
        event["user"] = user
        event["country"] = self._rand.choice(("DE", "FR", "US", "JP", "BR"))
        self.items.append(Item(at_ms, LOGINS, event))

    def _request(self, at_ms: int, address: str, path: str, status: int) -> None:
        event = self._event(at_ms, "http.request")
        event.update(
            sourceIP=address, method="GET", path=path, status=status,
            duration=self._rand.randint(2, 900), agent=self._rand.choice(_AGENTS),
        )  # fmt: skip
        self.items.append(Item(at_ms, WEB, event))

    def _event(self, at_ms: int, event_type: str) -> dict[str, Any]:
        return {
            "eventId": self._rand.bytes(8).hex(),
            "eventType": event_type,
            "timestamp": at_ms,
            "source": "demo",
        }
