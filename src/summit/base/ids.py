"""Names that must not stand for one another, and new unique ids."""

from __future__ import annotations

import uuid
from typing import NewType

from summit.base.clock import Clock
from summit.base.rand import Rand

TopicName = NewType("TopicName", str)
GroupId = NewType("GroupId", str)
MemberId = NewType("MemberId", str)
RuleId = NewType("RuleId", str)
AlertId = NewType("AlertId", str)


def uuid7(clock: Clock, rand: Rand) -> uuid.UUID:
    """A UUID that sorts by the time it was made.

    Source: RFC 9562, section 5.7.
    """
    value = (clock.now_ms() & (1 << 48) - 1) << 80
    value |= 0x7 << 76
    value |= rand.randint(0, (1 << 12) - 1) << 64
    value |= 0b10 << 62
    value |= rand.randint(0, (1 << 62) - 1)
    return uuid.UUID(int=value)
