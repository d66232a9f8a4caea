"""DescribeUserScramCredentials: key 50, version 0, flexible.

Behaviour: which mechanisms users have credentials for, never the credentials; `users` None or empty
asks for all.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT8, INT16, INT32, STRING, Message, field


class ScramUserName(Message):
    name: str = field(STRING, "0+")


class DescribeUserScramCredentialsRequest(Message):
    users: list[ScramUserName] | None = field(ARRAY(ScramUserName), "0+", nullable="0+")


class ScramCredentialInfo(Message):
    mechanism: int = field(INT8, "0+")
    iterations: int = field(INT32, "0+")


class DescribeUserScramCredentialsResult(Message):
    user: str = field(STRING, "0+")
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    credential_infos: list[ScramCredentialInfo] = field(ARRAY(ScramCredentialInfo), "0+")


class DescribeUserScramCredentialsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    results: list[DescribeUserScramCredentialsResult] = field(
        ARRAY(DescribeUserScramCredentialsResult), "0+"
    )


DESCRIBE_USER_SCRAM_CREDENTIALS = Api(
    key=50,
    name="DescribeUserScramCredentials",
    versions="0",
    flexible="0+",
    request=DescribeUserScramCredentialsRequest,
    response=DescribeUserScramCredentialsResponse,
)
