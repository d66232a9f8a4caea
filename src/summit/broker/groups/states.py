"""The states of a group, and what a group allows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """The states, with the names that DescribeGroups gives them."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """What a group allows.

    Attributes:
        session_timeout_min_ms, session_timeout_max_ms: Bounds of a member's session timeout.
        initial_delay_ms: How long an empty group waits for more members before its first
            generation.
        members_max: Members of one group.
    """

    session_timeout_min_ms: int = 1_000
    session_timeout_max_ms: int = 1_800_000
    initial_delay_ms: int = 0
    members_max: int = 1_000
