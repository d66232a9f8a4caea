"""The first user: set by the settings, or by a file that a command lays into the data directory.

Whoever may write the data directory may make users, without the network and without another user:
`summit user create --data-dir` does so, before the broker's first start or while it runs. The file
holds credentials, never a password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from summit.base.errors import SummitError
from summit.base.files import Files
from summit.base.logs import get_logger
from summit.broker.metadata_log import UserCredential
from summit.broker.security.users import Change, Users, new_changes
from summit.log.layout import join
from summit.protocol import scram
from summit.protocol.scram import ScramCredential

if TYPE_CHECKING:
    from summit.broker.security.settings import SecuritySettings

FILE: Final = "users-to-add"

_log = get_logger(__name__)


def lay_down(files: Files, data_dir: str, user: str, password: str) -> None:
    """Have the broker over `data_dir` make a user, or give one this password."""
    path = join(data_dir, FILE)
    wanted = {(each.user, each.mechanism): each for each in _read(files, path)}
    for change in new_changes(user, password):
        kept = change.credential
        assert kept is not None
        wanted[user, change.mechanism] = UserCredential(user, change.mechanism, *kept)
    files.make_dirs(data_dir)
    files.write_atomic(path, msgspec.json.encode(list(wanted.values())))


class FirstUsers:
    """Takes what lies there. Loop thread only; the file is small."""

    def __init__(self, users: Users, files: Files, data_dir: str) -> None:
        self._users = users
        self._files = files
        self._path = join(data_dir, FILE)
        self._is_taking = False

    def look(self) -> None:
        """Make the users of the file, if one lies there; it goes when they are durable."""
        if self._is_taking or not self._files.exists(self._path):
            return
        try:
            wanted = _read(self._files, self._path)
            changes = [
                Change(
                    each.user,
                    each.mechanism,
                    ScramCredential(each.salt, each.iterations, each.stored_key, each.server_key),
                )
                for each in wanted
            ]
            self._is_taking = True
            self._users.alter(changes, self._taken)
        except SummitError as error:
            self._taken(error)

    def ensure(self, settings: SecuritySettings) -> None:
        """Make the user of the settings, unless it has this password already."""
        user, password = settings.initial_user, settings.initial_password
        if user is None or password is None:
            return
        known = self._users.credentials(user).get(scram.SCRAM_SHA_512)
        if known is None or not scram.is_password(scram.SCRAM_SHA_512, known, password):
            self._users.alter(new_changes(user, password), lambda _: None)
            _log.info("user.made", user=user)

    def _taken(self, error: SummitError | None) -> None:
        self._is_taking = False
        if error is not None:
            _log.error("users.not_made", path=self._path, error=str(error))
            return
        self._files.remove(self._path)
        _log.info("users.made", path=self._path)


def _read(files: Files, path: str) -> list[UserCredential]:
    if not files.exists(path):
        return []
    try:
        return msgspec.json.decode(files.read_bytes(path), type=list[UserCredential])
    except msgspec.MsgspecError:
        _log.error("users.file_damaged", path=path)
        return []
