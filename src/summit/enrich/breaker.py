"""Leaving a service alone that fails, and asking again now and then. Pure."""

from __future__ import annotations

from typing import Final

_PAUSE_MS_MAX: Final = 60_000
_RETRIES_A_REQUEST: Final = 0.2
_RETRIES_SAVED_MAX: Final = 10.0


class CircuitBreaker:
    """After some failures in a row it is open: nothing is asked until a pause is over.

    Then one request is let through. If it fails too the pause doubles, up to a minute.
    """

    def __init__(self, failures: int, pause_ms: int) -> None:
        self._failures_max = failures
        self._first_pause_ms = pause_ms
        self._pause_ms = pause_ms
        self._failures = 0
        self._until_ms = 0.0
        self._trying = False

    @property
    def is_open(self) -> bool:
        """Whether the service is left alone."""
        return self._failures >= self._failures_max

    def allows(self, now_ms: float) -> bool:
        """Whether a request may be made; what becomes of one that may is told afterwards."""
        if not self.is_open:
            return True
        if now_ms < self._until_ms or self._trying:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """A request was answered."""
        self._failures = 0
        self._pause_ms = self._first_pause_ms
        self._trying = False

    def failed(self, now_ms: float) -> None:
        """A request was not answered."""
        was_trying, self._trying = self._trying, False
        if self.is_open and not was_trying:
            return  # it was under way when the breaker opened
        self._failures += 1
        if self.is_open:
            if was_trying:
                self._pause_ms = min(2 * self._pause_ms, _PAUSE_MS_MAX)
            self._until_ms = now_ms + self._pause_ms

    def let_go(self) -> None:
        """A request that was allowed was not made to its end: nothing is known of it."""
        self._trying = False


class RetryBudget:
    """At most a fifth of the requests are retries, so that trouble is not made worse."""

    def __init__(self) -> None:
        self._saved = _RETRIES_SAVED_MAX

    def earn(self) -> None:
        """A first request was made."""
        self._saved = min(self._saved + _RETRIES_A_REQUEST, _RETRIES_SAVED_MAX)

    def spend(self) -> bool:
        """Whether a retry may be made; if so it counts."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True
