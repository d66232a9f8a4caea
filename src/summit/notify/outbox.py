"""What waits for one notification, and when how much of it may go. Pure.

Without `digest` a letter goes at once and alone. `rateLimit` lets so many messages go in a time;
what it held back goes as one when it may. So does what has piled up because a channel was away.
"""

from __future__ import annotations

from collections import deque

from summit.base.limits import NOTICES_WAITING_MAX
from summit.documents.notification import ALONE, NotificationPlan
from summit.notify.letters import Key, Letter

_PILE = 20  # letters that wait: more of them go together even without a digest
_PAUSE_MS_MAX = 60_000


class Outbox:
    """See the module; of one notification."""

    def __init__(self, plan: NotificationPlan) -> None:
        self.plan = plan
        self._waiting: dict[Key, tuple[Letter, int]] = {}
        self._sent_ms: deque[int] = deque()
        self._held = False
        self._tries = 0
        self._not_before_ms = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def letters(self) -> list[Letter]:
        """What waits, oldest first."""
        return [letter for letter, _ in self._waiting.values()]

    def low_offset(self) -> int | None:
        """The first entry of the log of which a letter waits; None = nothing waits."""
        return min((letter.offset for letter, _ in self._waiting.values()), default=None)

    def add(self, letter: Letter, now_ms: int) -> Letter | None:
        """Let a letter wait; returns the one for which there is no room any more."""
        self._waiting.setdefault(letter.key, (letter, now_ms))
        if len(self._waiting) > NOTICES_WAITING_MAX:
            return self._waiting.pop(next(iter(self._waiting)))[0]
        return None

    def remove(self, key: Key) -> None:
        """It was sent, or given up."""
        self._waiting.pop(key, None)

    def due_ms(self, now_ms: int) -> int | None:
        """When something may go; None = nothing waits."""
        if not self._waiting:
            return None
        _, since_ms = next(iter(self._waiting.values()))
        due_ms = max(since_ms + self.plan.digest_ms, self._not_before_ms)
        if self.plan.rate_count:
            self._forget_sent(now_ms)
            if len(self._sent_ms) >= self.plan.rate_count:
                self._held = True
                due_ms = max(due_ms, self._sent_ms[0] + self.plan.rate_ms)
        return due_ms

    def parcel(self, now_ms: int) -> list[Letter]:
        """What goes now as one message; it waits on until `sent` or `failed` is told of it."""
        due_ms = self.due_ms(now_ms)
        if due_ms is None or due_ms > now_ms:
            return []
        letters = self.letters
        together = self.plan.digest_ms or self._held or len(letters) > _PILE
        if self.plan.type in ALONE or letters[0].action == "test" or not together:
            return letters[:1]
        return [letter for letter in letters if letter.action != "test"][: self.plan.digest_max]

    def sent(self, letters: list[Letter], now_ms: int) -> None:
        """They have gone, as one message, or were given up."""
        for letter in letters:
            self.remove(letter.key)
        self._tries = 0
        self._not_before_ms = 0
        self._held = False
        if self.plan.rate_count:
            self._sent_ms.append(now_ms)

    def failed(self, now_ms: int) -> bool:
        """An attempt has failed; returns whether there is another one."""
        self._tries += 1
        if self._tries >= self.plan.attempts:
            return False
        doubled_ms = self.plan.backoff_ms * 2 ** min(self._tries - 1, 20)
        self._not_before_ms = now_ms + max(self.plan.backoff_ms, min(doubled_ms, _PAUSE_MS_MAX))
        return True

    def _forget_sent(self, now_ms: int) -> None:
        while self._sent_ms and self._sent_ms[0] + self.plan.rate_ms <= now_ms:
            self._sent_ms.popleft()
