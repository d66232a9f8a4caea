"""How a backup is asked of a running broker: two small files in its data directory.

`backup-request` says where to; the broker takes it away and keeps `backup-answer` up to date. So
whoever may write the data directory may ask, nobody over the network can, and the path is the
broker's own. Both are JSON; an answer has the id of its request.
"""

from __future__ import annotations

import asyncio

import msgspec

from summit.base.errors import Conflict, Unavailable
from summit.base.files import Files
from summit.base.rand import Rand
from summit.log.layout import LOCK, join

REQUEST = "backup-request"
ANSWER = "backup-answer"
_LOOK_S = 0.2
_UNSEEN_LOOKS_MAX = 300  # a broker looks every second; so long nobody takes the request away


class BackupRequest(msgspec.Struct, frozen=True, rename="camel"):
    """Where to put the backup: an absolute path on the broker's machine."""

    id: str
    target: str


class BackupAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """How it goes. `state` is `running`, `done` or `failed`; `reason` only of the last."""

    id: str
    state: str
    done_bytes: int = 0
    total_bytes: int = 0
    files: int = 0
    reason: str = ""


def take_request(files: Files, data_dir: str) -> BackupRequest | None:
    """The request that lies there, if one does; it is taken away. One that is no request too."""
    path = join(data_dir, REQUEST)
    if not files.exists(path):
        return None
    data = files.read_bytes(path)
    files.remove(path)
    try:
        return msgspec.json.decode(data, type=BackupRequest)
    except msgspec.MsgspecError:
        return None


def write_answer(files: Files, data_dir: str, answer: BackupAnswer) -> None:
    """Replace the answer."""
    files.write_atomic(join(data_dir, ANSWER), msgspec.json.encode(answer))


def _answer(files: Files, data_dir: str, request_id: str) -> BackupAnswer | None:
    path = join(data_dir, ANSWER)
    if not files.exists(path):
        return None
    try:
        answer = msgspec.json.decode(files.read_bytes(path), type=BackupAnswer)
    except msgspec.MsgspecError:
        return None
    return answer if answer.id == request_id else None


async def ask(files: Files, data_dir: str, target: str, rand: Rand) -> BackupAnswer:
    """Ask the broker that runs over `data_dir` for a backup and wait for it.

    Raises: Conflict("backup.refused") with the broker's reason; Unavailable("backup.no_answer")
        when it takes no requests, or ended meanwhile.
    """
    request = BackupRequest(rand.bytes(8).hex(), target)
    path = join(data_dir, REQUEST)
    if files.exists(path):
        raise Conflict("backup.refused", reason="another request waits for the broker")
    files.write_atomic(path, msgspec.json.encode(request))
    looks = 0
    while True:
        answer = _answer(files, data_dir, request.id)
        if answer is not None and answer.state == "done":
            return answer
        if answer is not None and answer.state == "failed":
            raise Conflict("backup.refused", reason=answer.reason)
        looks += 1
        is_unseen = answer is None and looks > _UNSEEN_LOOKS_MAX
        if is_unseen or not _is_held(files, data_dir):
            if files.exists(path):
                files.remove(path)
            raise Unavailable("backup.no_answer", path=data_dir)
        await asyncio.sleep(_LOOK_S)


def _is_held(files: Files, data_dir: str) -> bool:
    """Whether a broker runs over the directory."""
    try:
        files.lock(join(data_dir, LOCK)).release()
    except Conflict:
        return True
    return False
