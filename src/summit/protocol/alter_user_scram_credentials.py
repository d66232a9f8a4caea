"""AlterUserScramCredentials: key 51, version 0, flexible.

Behaviour: sets and deletes users' credentials for SCRAM. A password never travels: the client sends
what `scram.salted_password` makes of it.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BYTES, INT8, INT16, INT32, STRING, Message, field


class ScramCredentialDeletion(Message):
    name: str = field(STRING, "0+")
    mechanism: int = field(INT8, "0+")


class ScramCredentialUpsertion(Message):
    name: str = field(STRING, "0+")
    mechanism: int = field(INT8, "0+")
    iterations: int = field(INT32, "0+")
    salt: bytes = field(BYTES, "0+")
    salted_password: bytes = field(BYTES, "0+")


class AlterUserScramCredentialsRequest(Message):
    deletions: list[ScramCredentialDeletion] = field(ARRAY(ScramCredentialDeletion), "0+")
    upsertions: list[ScramCredentialUpsertion] = field(ARRAY(ScramCredentialUpsertion), "0+")


class AlterUserScramCredentialsResult(Message):
    user: str = field(STRING, "0+")
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)


class AlterUserScramCredentialsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    results: list[AlterUserScramCredentialsResult] = field(
        ARRAY(AlterUserScramCredentialsResult), "0+"
    )


ALTER_USER_SCRAM_CREDENTIALS = Api(
    key=51,
    name="AlterUserScramCredentials",
    versions="0",
    flexible="0+",
    request=AlterUserScramCredentialsRequest,
    response=AlterUserScramCredentialsResponse,
)
