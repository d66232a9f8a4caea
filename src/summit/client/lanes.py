"""Where librdkafka's answers to many records land: a lane of places, used again and again.

librdkafka calls back once per record, so what that call does is most of what a record costs here.
A place's callable is made once, and what it leaves behind is nothing that Python's collector looks
at: messages kept for later, or a callable made for each record, set it off again and again while
thousands are on their way (measured: 0.25 and 0.35 of 0.8 CPU-seconds per million records more).
The loop hears of a lane when its last answer is there.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from types import MethodType
from typing import Any

from summit.client.types import ProducerResult

Callback = Callable[[Any, Any], None]


class Lane:
    """Places for the answers of records that are given away together.

    Filled on whatever thread polls, everything else on the loop.

    Args:
        when_full: Told when every place that was taken has its answer; on the thread that polls.
            May come twice; `is_full` says whether it is so.
        knows_offsets: Without acknowledgement (`acks=0`) librdkafka counts on in a batch from an
            offset that is none, and comes to such as look right.
    """

    __slots__ = (
        "_missing", "_take", "callbacks", "errors", "given", "load", "results",
        "topic",
    )  # fmt: skip

    def __init__(self, when_full: Callable[[Lane], None], *, knows_offsets: bool = True) -> None:
        self.callbacks: list[Callback] = []
        self.results: list[ProducerResult | None] = []  # None: not written, or not there yet
        self.errors: dict[int, tuple[Any, Any]] = {}  # librdkafka's error and message, by place
        self.topic: str | None = None  # of all records; None where they differ
        self.given = 0  # places whose answers are awaited, 0 when the lane is free
        self.load: Any = None
        self._missing: list[None] = []  # one for each answer that is awaited
        self._take = self._taker(when_full, knows_offsets)

    def _taker(
        self, when_full: Callable[[Lane], None], knows_offsets: bool
    ) -> Callable[[int, Any, Any], None]:
        results, errors, missing = self.results, self.errors, self._missing
        pop = missing.pop

        def take(place: int, error: Any, message: Any) -> None:
            if error is None:
                offset = message.offset()
                results[place] = ProducerResult(
                    self.topic or message.topic(),
                    message.partition(),
                    -1 if offset is None or not knows_offsets else offset,
                    message.timestamp()[1],
                )
            else:
                errors[place] = error, message
            pop()
            if not missing:
                when_full(self)

        return take

    def open(self, count: int, topic: str | None) -> None:
        """Make ready for at most `count` records; `callbacks` has at least as many then."""
        known = len(self.callbacks)
        if count > known:
            self.results.extend([None] * (count - known))
            self.callbacks.extend(map(MethodType, repeat(self._take), range(known, count)))
        self.topic = topic
        self._missing.extend([None] * count)

    def seal(self, unused: int, given: int, load: Any) -> None:
        """So many of the opened places are not used after all; answers may be there already.

        Args:
            given: How many are: 0 frees the lane.
            load: What whoever reads the answers needs to know.
        """
        if unused:
            del self._missing[-unused:]
        self.given = given
        self.load = load

    @property
    def is_full(self) -> bool:
        """Whether records were given away and every answer is there."""
        return self.given > 0 and not self._missing

    def free(self) -> None:
        """Everything is read: it may be opened again."""
        self.results[:] = [None] * len(self.results)
        self.errors.clear()
        self.given, self.load = 0, None
