"""AlterUserScramCredentials: key 51, version 0.

Behaviour: each user's changes are made whole or not at all; the answer waits until they are
durable. Iterations from 4096 to 16384, as in Kafka. Deleting what is not there is
RESOURCE_NOT_FOUND, a credential that is named twice DUPLICATE_RESOURCE.
"""

from __future__ import annotations

from collections import Counter

from summit.base.errors import SummitError
from summit.broker.request import Request
from summit.broker.security.users import Change, Credentials
from summit.broker.state import BrokerState
from summit.protocol import codes, scram
from summit.protocol.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)

Row = ScramCredentialDeletion | ScramCredentialUpsertion


def handle(state: BrokerState, request: Request, message: AlterUserScramCredentialsRequest) -> None:
    """Change what can be changed, then answer."""
    users = state.security.users
    rows: dict[str, list[Row]] = {}
    every: list[Row] = [*message.deletions, *message.upsertions]
    for row in every:
        rows.setdefault(row.name, []).append(row)
    faults = {name: _fault(name, wanted, users.credentials(name)) for name, wanted in rows.items()}
    changes = [
        _change(row) for name, wanted in rows.items() if faults[name] is None for row in wanted
    ]

    def done(error: SummitError | None) -> None:
        for name, fault in faults.items():
            if fault is None and error is not None:
                faults[name] = codes.code_of(error), str(error)
        results = [
            AlterUserScramCredentialsResult(
                user=name, error_code=fault[0] if fault else codes.NONE,
                error_message=fault[1] if fault else None,
            )
            for name, fault in faults.items()
        ]  # fmt: skip
        request.reply(AlterUserScramCredentialsResponse(results=results))

    if not changes:
        done(None)
        return
    try:
        users.alter(changes, done)
    except SummitError as error:
        done(error)


def _fault(name: str, rows: list[Row], known: Credentials) -> tuple[int, str] | None:
    counts = Counter(row.mechanism for row in rows)
    if not name:
        return codes.UNACCEPTABLE_CREDENTIAL, "a user name may not be empty"
    if max(counts.values()) > 1:
        return codes.DUPLICATE_RESOURCE, "a credential may be named once only"
    for row in rows:
        mechanism = scram.NAMES.get(row.mechanism)
        if mechanism is None:
            return codes.UNSUPPORTED_SASL_MECHANISM, "the mechanism is unknown"
        if isinstance(row, ScramCredentialDeletion):
            if mechanism not in known:
                return codes.RESOURCE_NOT_FOUND, f"there is no credential for {mechanism}"
        elif row.iterations < scram.ITERATIONS_MIN:
            return codes.UNACCEPTABLE_CREDENTIAL, f"at least {scram.ITERATIONS_MIN} iterations"
        elif row.iterations > scram.ITERATIONS_MAX:
            return codes.UNACCEPTABLE_CREDENTIAL, f"at most {scram.ITERATIONS_MAX} iterations"
        elif not row.salt or not row.salted_password:
            return codes.UNACCEPTABLE_CREDENTIAL, "salt and salted password may not be empty"
    return None


def _change(row: Row) -> Change:
    mechanism = scram.NAMES[row.mechanism]
    if isinstance(row, ScramCredentialDeletion):
        return Change(row.name, mechanism, None)
    salt = bytes(row.salt)
    salted = bytes(row.salted_password)
    return Change(row.name, mechanism, scram.credential_of(mechanism, salted, salt, row.iterations))
