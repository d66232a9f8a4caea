"""DescribeUserScramCredentials: key 50, version 0.

Behaviour: mechanisms and iterations of each user asked for; without names, of all that have any. A
user that is unknown is RESOURCE_NOT_FOUND, one that is named twice DUPLICATE_RESOURCE.
"""

from __future__ import annotations

from collections import Counter

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes, scram
from summit.protocol.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
    ScramCredentialInfo,
)


def handle(
    state: BrokerState, request: Request, message: DescribeUserScramCredentialsRequest
) -> None:
    """Describe, never show."""
    users = state.security.users
    asked = Counter(each.name for each in message.users or ())
    names = list(asked) if asked else users.names
    request.reply(
        DescribeUserScramCredentialsResponse(
            error_code=codes.NONE,
            results=[_describe(state, name, asked[name]) for name in names],
        )
    )


def _describe(state: BrokerState, name: str, count: int) -> DescribeUserScramCredentialsResult:
    known = state.security.users.credentials(name)
    code, text = codes.NONE, None
    if count > 1:
        code, text = codes.DUPLICATE_RESOURCE, f"user '{name}' is named more than once"
    elif not known:
        code, text = codes.RESOURCE_NOT_FOUND, f"user '{name}' has no credentials"
    return DescribeUserScramCredentialsResult(
        user=name,
        error_code=code,
        error_message=text,
        credential_infos=[
            ScramCredentialInfo(mechanism=scram.NUMBERS[mechanism], iterations=each.iterations)
            for mechanism, each in known.items()
        ]
        if code == codes.NONE
        else [],
    )
