"""AlterClientQuotas: key 49, versions 0-1.

Behaviour: each entry is checked alone; what holds is set together, and answered when it is durable.
Deviations: quotas are in bytes (`producer_byte_rate`, `consumer_byte_rate`), of users, client ids
and both; percentages of request time, rates of mutations and quotas of addresses are
INVALID_REQUEST: nothing would hold them.
"""

from __future__ import annotations

import math

from summit.base.errors import SummitError
from summit.broker.request import Request
from summit.broker.security.quotas import CLIENT_ID, KEYS, USER, Entity
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    QuotaAlteration,
    QuotaAlterationResult,
)


def handle(state: BrokerState, request: Request, message: AlterClientQuotasRequest) -> None:
    """Set what can be set."""
    faults = [_fault(entry) for entry in message.entries]
    changes: dict[Entity, dict[str, float | None]] = {}
    for entry, fault in zip(message.entries, faults, strict=True):
        if not fault:
            changes.setdefault(_entity(entry), {}).update(
                {each.key: None if each.remove else each.value for each in entry.ops}
            )

    def done(error: SummitError | None) -> None:
        code = codes.NONE if error is None else codes.code_of(error)
        request.reply(
            AlterClientQuotasResponse(
                entries=[
                    QuotaAlterationResult(
                        error_code=codes.INVALID_REQUEST if fault else code,
                        error_message=fault or (None if error is None else str(error)),
                        entity=sorted(entry.entity, key=lambda each: each.entity_type),
                    )
                    for entry, fault in zip(message.entries, faults, strict=True)
                ]
            )
        )

    if message.validate_only or not changes:
        done(None)
        return
    try:
        state.quotas.alter(changes, done)
    except SummitError as error:
        done(error)


def _entity(entry: QuotaAlteration) -> Entity:
    return tuple(sorted((each.entity_type, each.entity_name) for each in entry.entity))


def _fault(entry: QuotaAlteration) -> str:
    kinds = [each.entity_type for each in entry.entity]
    if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= {USER, CLIENT_ID}:
        return f"an entity is a {USER}, a {CLIENT_ID} or both"
    if any(each.entity_name == "" for each in entry.entity):
        return "a name may not be empty; null is the default"
    if len({each.key for each in entry.ops}) < len(entry.ops):
        return "a quota may be named once only"
    for each in entry.ops:
        if each.key not in KEYS:
            return f"there is no quota {each.key}; there are {', '.join(KEYS)}"
        if not each.remove and not (0 < each.value < math.inf):
            return f"{each.key} must be above 0"
    return ""
