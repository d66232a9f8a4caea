"""DescribeClientQuotas: key 48, versions 0-1.

Behaviour: the entities that every component matches; strict: and that have no other kind. A
component of an unknown kind is UNSUPPORTED_VERSION, one kind twice INVALID_REQUEST.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.security.quotas import CLIENT_ID, USER, Entity
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.describe_client_quotas import (
    MATCH_ANY,
    MATCH_DEFAULT,
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
    QuotaComponent,
    QuotaEntity,
    QuotaEntry,
    QuotaValue,
)


def handle(state: BrokerState, request: Request, message: DescribeClientQuotasRequest) -> None:
    """Find what is asked for."""
    kinds = [each.entity_type for each in message.components]
    is_known = set(kinds) <= {USER, CLIENT_ID, "ip"}
    if len(set(kinds)) < len(kinds) or not is_known:
        request.reply(
            DescribeClientQuotasResponse(
                error_code=codes.INVALID_REQUEST if is_known else codes.UNSUPPORTED_VERSION,
                error_message=f"components are {USER}, {CLIENT_ID} and ip, each at most once",
                entries=None,
            )
        )
        return
    request.reply(
        DescribeClientQuotasResponse(
            error_code=codes.NONE,
            error_message=None,
            entries=[
                QuotaEntry(
                    entity=[QuotaEntity(entity_type=kind, entity_name=n) for kind, n in entity],
                    values=[QuotaValue(key=key, value=value) for key, value in values.items()],
                )
                for entity, values in sorted(state.quotas.all().items(), key=_in_order)
                if _matches(entity, message.components, strict=message.strict)
            ],
        )
    )


def _matches(entity: Entity, components: list[QuotaComponent], *, strict: bool) -> bool:
    names = dict(entity)
    if strict and len(names) != len(components):
        return False
    for each in components:
        if each.entity_type not in names:
            return False
        name = names[each.entity_type]
        if each.match_type == MATCH_ANY:
            continue
        if name != (None if each.match_type == MATCH_DEFAULT else each.match):
            return False
    return True


def _in_order(item: tuple[Entity, object]) -> list[tuple[str, str]]:
    return [(kind, name or "") for kind, name in item[0]]
