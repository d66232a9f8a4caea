"""Idempotency keys: a request that comes again gets the answer that it had, and writes nothing.

    Idempotency-Key: 1 to 200 printable characters (gRPC: `id` of `Publish`)
    the same key and content: the stored answer, with Idempotency-Replayed: true; one above 4 KiB
        is stored without its `results`
    the same key, other content: 422; while the first is being processed: 409

Answers are remembered for a day, also by the next process (`notes.py`). A request that ended in
503 left it open what was written: sent again, only what was not written is written.

Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Conflict, Invalid
from summit.ingest.delivery import Handed
from summit.ingest.notes import Note, Notes
from summit.ingest.unclear import Unclear

HEADER: Final = "idempotency-key"
KEY_CHARS_MAX: Final = 200
ANSWER_BYTES_MAX: Final = 4096


class Keys:
    """The keys of one collector: in flight, of unclear outcome, or with an answer.

    Args:
        prefix: What notes of keys begin with, where the collector has other notes too.
    """

    def __init__(self, notes: Notes, clock: Clock, prefix: str = "") -> None:
        self._notes = notes
        self._prefix = prefix
        self._clock = clock
        self._in_flight: dict[str, str] = {}  # by key, the digest of the content
        self._unclear = Unclear()

    def begin(self, key: str, content: bytes) -> Note | None:
        """Begin with a request; its note when it has had its answer, else it is in flight now.

        Raises: Invalid("ingest.key_invalid"), ("ingest.key_reused");
            Conflict("ingest.key_in_flight").
        """
        if not (0 < len(key) <= KEY_CHARS_MAX and key.isascii() and key.isprintable()):
            raise Invalid("ingest.key_invalid", limit=KEY_CHARS_MAX)
        if key in self._in_flight:
            raise Conflict("ingest.key_in_flight", key=key, retry_after_ms=1_000)
        digest = hash_of(content)
        note = self._notes.get(self._prefix + key)
        known = note.hash if note is not None else self._unclear.digest(key)
        if known is not None and known != digest:
            raise Invalid("ingest.key_reused", key=key)
        if note is None:
            self._in_flight[key] = digest
        return note

    def unclear(self, key: str) -> Handed | None:
        """What an earlier request of this key has handed over without learning its outcome."""
        return self._unclear.get(key)

    async def answered(self, key: str, status: int, answer: bytes) -> None:
        """Remember the answer, durably; of a long one not the `results`. Raises SummitError."""
        if len(answer) > ANSWER_BYTES_MAX:
            told = msgspec.json.decode(answer)
            told.pop("results", None)
            answer = msgspec.json.encode(told)
        note = Note(
            at=self._clock.now_ms(),
            hash=self._in_flight[key],
            status=status,
            answer=answer.decode(),
        )
        await self._notes.put(self._prefix + key, note, timeout_ms=10_000)
        self._unclear.forget(key)

    def ended(self, key: str) -> None:
        """The request is not in flight any more, whatever came of it."""
        self._in_flight.pop(key, None)

    def left_unclear(self, key: str, handed: Handed) -> None:
        """It is not known which of these records were written."""
        self._unclear.keep(key, self._in_flight[key], handed)


def hash_of(content: bytes) -> str:
    """What stands for a request's content."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
