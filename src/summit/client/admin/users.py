"""Users of the brokers and their credentials for SCRAM. A password never leaves this process."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

import msgspec

from summit.base.errors import Invalid, SummitError
from summit.client.admin.connection import Connection
from summit.client.wire import fault
from summit.protocol import codes, scram
from summit.protocol.alter_user_scram_credentials import (
    ALTER_USER_SCRAM_CREDENTIALS,
    AlterUserScramCredentialsRequest,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from summit.protocol.describe_user_scram_credentials import (
    DESCRIBE_USER_SCRAM_CREDENTIALS,
    DescribeUserScramCredentialsRequest,
)

_MECHANISMS: Final = tuple(scram.NUMBERS)


class BrokerUser(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A user, and the mechanisms that it has a credential for."""

    name: str
    mechanisms: list[str]


class Users(Connection):
    """The users of a broker or a cluster."""

    async def list_users(self) -> list[BrokerUser]:
        """All users that have a credential, by name."""
        request = DescribeUserScramCredentialsRequest(users=None)
        answer = await self._asking().ask(DESCRIBE_USER_SCRAM_CREDENTIALS, request)
        if answer.error_code != codes.NONE:
            raise _fault(answer.error_code, answer.error_message)
        return sorted(
            (
                BrokerUser(
                    name=each.user,
                    mechanisms=sorted(
                        scram.NAMES.get(info.mechanism, str(info.mechanism))
                        for info in each.credential_infos
                    ),
                )
                for each in answer.results
            ),
            key=lambda user: user.name,
        )

    async def set_user(self, name: str, password: str) -> None:
        """Make a user, or give one another password; for both kinds of SCRAM, and PLAIN.

        Raises: Invalid("client.refused") for what brokers refuse.
        """
        if not name or not password:
            raise Invalid("client.refused", reason="a user needs a name and a password")
        rows = await asyncio.to_thread(_upsertions, name, password)
        await self._alter_users(
            name, AlterUserScramCredentialsRequest(deletions=[], upsertions=rows)
        )

    async def delete_user(self, name: str) -> None:
        """Delete a user; connections that it has opened go on. Raises Invalid("user.unknown")."""
        for user in await self.list_users():
            if user.name == name:
                break
        else:
            raise Invalid("user.unknown", user=name)
        rows = [
            ScramCredentialDeletion(name=name, mechanism=scram.NUMBERS[mechanism])
            for mechanism in user.mechanisms
            if mechanism in scram.NUMBERS
        ]
        await self._alter_users(
            name, AlterUserScramCredentialsRequest(deletions=rows, upsertions=[])
        )

    async def _alter_users(self, name: str, request: AlterUserScramCredentialsRequest) -> None:
        wire = self._asking()
        answer = await wire.ask(
            ALTER_USER_SCRAM_CREDENTIALS, request, node=(await wire.metadata([])).controller_id
        )
        for result in answer.results:
            if result.error_code == codes.RESOURCE_NOT_FOUND:
                raise Invalid("user.unknown", user=name)
            if result.error_code != codes.NONE:
                raise _fault(result.error_code, result.error_message)


def _fault(code: int, message: str | None) -> SummitError:
    return fault(code, reason=message or codes.name_of(code))


def _upsertions(name: str, password: str) -> list[ScramCredentialUpsertion]:
    rows = []
    for mechanism in _MECHANISMS:
        salt = secrets.token_bytes(scram.SALT_BYTES)
        salted = scram.salted_password(mechanism, password, salt, scram.ITERATIONS)
        rows.append(
            ScramCredentialUpsertion(
                name=name, mechanism=scram.NUMBERS[mechanism], iterations=scram.ITERATIONS,
                salt=salt, salted_password=salted,
            )
        )  # fmt: skip
    return rows
