"""Seeded random messages of any table, for round trips and differential tests."""

from __future__ import annotations

import random
import uuid
from typing import Any

from summit.protocol import codes
from summit.protocol.api import Api
from summit.protocol.apis import APIS
from summit.protocol.message import REQUIRED, Field, Message, WireType

RANGES = {
    "b": (-(2**7), 2**7 - 1),
    "h": (-(2**15), 2**15 - 1),
    "H": (0, 2**16 - 1),
    "i": (-(2**31), 2**31 - 1),
    "q": (-(2**63), 2**63 - 1),
}
LETTERS = "abcXYZ-._ 019äß漢🙂"


def every_version() -> list[tuple[Api[Any, Any], int]]:
    """Every API with each of its versions."""
    return [
        (api, version)
        for api in APIS.values()
        for version in range(api.versions.first, api.versions.last + 1)
    ]


def version_id(value: Any) -> str:
    """The pytest id of a row of `every_version`."""
    return value.name if isinstance(value, Api) else f"v{value}"


def random_message(message: type[Message], version: int, rng: random.Random, depth: int = 0) -> Any:
    """A message whose fields of this version are random and whose others are default."""
    values: dict[str, Any] = {}
    for row in message.FIELDS:
        if version not in row.versions:
            if row.default is REQUIRED and row.default_factory is None:
                values[row.name] = [] if isinstance(row.zero, list) else row.zero
        elif row.tag is None or rng.random() < 0.5:
            values[row.name] = _field(row, version, rng, depth)
    return message(**values)


def _field(row: Field, version: int, rng: random.Random, depth: int) -> Any:
    if version in row.nullable and rng.random() < 0.3:
        return None
    if row.name.endswith("error_code"):
        return rng.choice(list(codes.NAMES))
    if row.name == "transaction_start_time_ms":  # kio makes a datetime of it that is never None
        return rng.randrange(4_000_000_000_000)
    if row.name == "log_append_time_ms":  # kio makes a datetime of it
        return rng.choice([-1, rng.randrange(4_000_000_000_000)])
    if row.name in ("retention_time_ms", "session_lifetime_ms"):  # kio makes a timedelta of it
        return rng.randrange(-1, 10**12)
    value = _value(row.type, version, rng, depth)
    if row.tag is not None and row.type.kind == "struct" and value == row.type.message():
        return None
    return value


def _value(wire_type: WireType, version: int, rng: random.Random, depth: int) -> Any:
    match wire_type.kind:
        case "fixed":
            if wire_type.code == "?":
                return rng.random() < 0.5
            if wire_type.code == "d":
                return rng.choice([0.0, -1.5, 1e300, rng.random()])
            low, high = RANGES[wire_type.code]
            return rng.choice([max(-1, low), 0, 1, low, high, rng.randint(low, high)])
        case "uuid":
            return uuid.UUID(int=rng.choice([0, rng.getrandbits(128)]))
        case "string":
            size = rng.choice([0, 1, 5, rng.choice([30, 126, 127, 128, 200])])
            return "".join(rng.choice(LETTERS) for _ in range(size))
        case "bytes" | "records":
            return rng.randbytes(rng.choice([0, 1, 70, 126, 127, 128, 300]))
        case "struct":
            return random_message(wire_type.message, version, rng, depth + 1)
        case _:
            top = 4 if depth < 2 else 2
            size = rng.randint(0, top) if rng.random() < 0.97 else 130
            return [_value(wire_type.item, version, rng, depth + 1) for _ in range(size)]
