"""Failed attempts: who goes on sending credentials that do not hold is told to wait.

Good credentials pass all the same: who shares an address with somebody who guesses is not locked
out, and 256 random bits are not guessed. What is saved is work, and lines in the audit trail.
"""

from __future__ import annotations

from summit.base.clock import Clock
from summit.base.hosts import network_of
from summit.identity.rates import RateLimit


class FailedAttempts:
    """By address: some are free, then one in a while.

    Args:
        free: Attempts that a quiet address has.
        per_minute: How many come back in a minute.
    """

    def __init__(self, clock: Clock, *, free: int = 10, per_minute: float = 10.0) -> None:
        self._limit = RateLimit(per_minute / 60, free, clock)
        self.throttled = 0

    def note(self, address: str) -> int:
        """Count one failed attempt; 0, or the milliseconds that its sender must wait."""
        wait_ms = self._limit.take(network_of(address), 1)
        self.throttled += wait_ms > 0
        return wait_ms
