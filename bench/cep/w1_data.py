"""Workload W1: its events from a seed, and the exact list of matches by a closed form.

Per user, at least 3 `auth.login.failed`, then `auth.login.success`, less than 60 s from the first
to the last, one match per success, matches do not overlap. Order: (timestamp, file order).
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

USERS = 50_000
T0_MS = 1_700_000_000_000
SPAN_MS = 14_400_000
SEED = 20240607
WITHIN_MS = 60_000
FULL_EVENTS = 5_000_000
FULL_SHA256 = "ee80546735b8017dce641b1d8e2a84fe34c963af6b54eb4007ed072fb08d7a47"
FULL_MATCHES = 26_414


def _words(text: str) -> list[str]:
    return text.split()


TYPES = _words(
    "auth.login.failed auth.login.success auth.logout http.request http.error file.read file.write"
    " file.delete db.query db.update net.connect net.close proc.start proc.exit pay.charge"
    " pay.refund mail.sent mail.bounce cfg.change job.run"
)
TYPE_WEIGHTS = (
    0.04, 0.06, 0.05, 0.25, 0.03, 0.08, 0.06, 0.02, 0.1, 0.05,
    0.06, 0.05, 0.03, 0.03, 0.02, 0.01, 0.02, 0.01, 0.01, 0.02,
)  # fmt: skip
COUNTRIES = _words(
    "US DE FR GB IN CN JP BR CA AU IT ES NL SE NO FI DK PL CZ AT CH BE IE PT GR TR RU UA IL AE SA"
    " ZA NG EG KE MX AR CL CO PE KR TW SG MY TH VN ID PH NZ PK"
)
DEVICES = ("mobile", "desktop", "tablet", "server")
SEVERITIES = ("low", "medium", "high", "critical")
LINE = (
    '{"eventId":"%016x","eventType":"%s","timestamp":%d,"source":"gw-%02d.prod","user":"user%05d",'
    '"ip":"10.%d.%d.%d","country":"%s","deviceType":"%s","duration":%d,"severity":"%s"}'
)

Found = tuple[str, int, int]


class Workload(NamedTuple):
    """The events as JSON, without line ends, in file order; and what must be found."""

    values: list[bytes]
    arrivals_ms: list[int]
    expected: list[Found]


def generate(count: int) -> Workload:
    """Draw `count` events. The order of the draws is part of the definition: do not change it."""
    rng = np.random.default_rng(SEED)
    weights = 1 / np.arange(1, USERS + 1)
    rank = np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(count))
    user_of_rank = rng.permutation(USERS)
    kind_weights = np.array(TYPE_WEIGHTS)
    kind = rng.choice(20, count, p=kind_weights / kind_weights.sum())
    arrival = T0_MS + np.cumsum(rng.exponential(SPAN_MS / count, count))
    burst = rng.random(count) < 0.002
    early = np.where(rng.random(count) < 0.10, rng.integers(0, 2000, count), 0)
    time = np.maximum(arrival.astype(np.int64) - early, T0_MS)
    by_rank = 1 / np.arange(1, 51)
    home = rng.choice(50, USERS, p=by_rank / by_rank.sum())
    at_home = rng.random(count) < 0.97
    country = np.where(at_home, home[rank], rng.integers(0, 50, count))
    device = rng.choice(4, count, p=[0.45, 0.35, 0.1, 0.1])
    duration = np.minimum(rng.lognormal(5, 1.2, count), 60000).astype(np.int64)
    severity = rng.choice(4, count, p=[0.7, 0.2, 0.08, 0.02])
    source = rng.integers(0, 24, count)
    address = rng.integers(0, 1 << 24, count)
    event_id = rng.integers(0, 1 << 62, count)
    _plant_bursts(kind, rank, burst)
    user = user_of_rank[rank]
    rows = zip(
        event_id.tolist(), [TYPES[n] for n in kind.tolist()], time.tolist(), source.tolist(),
        user.tolist(), (address >> 16).tolist(), (address >> 8 & 255).tolist(),
        (address & 255).tolist(), [COUNTRIES[n] for n in country.tolist()],
        [DEVICES[n] for n in device.tolist()], duration.tolist(),
        [SEVERITIES[n] for n in severity.tolist()], strict=True,
    )  # fmt: skip
    values = [(LINE % row).encode() for row in rows]
    return Workload(values, arrival.astype(np.int64).tolist(), closed_form(kind, time, user))


def _plant_bursts(kind: np.ndarray, rank: np.ndarray, burst: np.ndarray) -> None:
    """From some events on, the user's next five are four failures and a success."""
    count = len(kind)
    order = np.lexsort((np.arange(count), rank))
    same = rank[order[1:]] == rank[order[:-1]]
    following = np.full(count, -1)
    following[order[:-1][same]] = order[1:][same]
    for first in np.nonzero(burst)[0]:
        event = first
        for turn in range(5):
            if event >= 0:
                kind[event] = 0 if turn < 4 else 1
                event = following[event]


def closed_form(kind: np.ndarray, time: np.ndarray, user: np.ndarray) -> list[Found]:
    """(user, first time, last time) of every match, in order of the last event."""
    wanted = np.nonzero(kind <= 1)[0]
    order = wanted[np.lexsort((wanted, time[wanted]))]
    failures: dict[int, list[int]] = {}
    found: list[Found] = []
    for who, what, when in zip(
        user[order].tolist(), kind[order].tolist(), time[order].tolist(), strict=True
    ):
        mine = failures.setdefault(who, [])
        if what == 0:
            mine.append(when)
            continue
        mine[:] = [failure for failure in mine if failure > when - WITHIN_MS]
        if len(mine) >= 3:
            found.append((f"user{who:05d}", mine[0], when))
            mine.clear()
    return found


def sha256(values: list[bytes]) -> str:
    """The checksum of the events as a file, one a line."""
    digest = hashlib.sha256()
    for start in range(0, len(values), 10_000):
        digest.update(b"\n".join(values[start : start + 10_000]) + b"\n")
    return digest.hexdigest()
