"""AlterClientQuotas: key 49, versions 0-1, flexible from 1.

Behaviour: sets and removes quotas of entities: of a user, a client id, both, or their defaults
(null names). Each entry is answered on its own.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.describe_client_quotas import QuotaEntity
from summit.protocol.message import ARRAY, BOOL, FLOAT64, INT16, INT32, STRING, Message, field


class QuotaOperation(Message):
    key: str = field(STRING, "0+")
    value: float = field(FLOAT64, "0+")
    remove: bool = field(BOOL, "0+")


class QuotaAlteration(Message):
    entity: list[QuotaEntity] = field(ARRAY(QuotaEntity), "0+")
    ops: list[QuotaOperation] = field(ARRAY(QuotaOperation), "0+")


class AlterClientQuotasRequest(Message):
    entries: list[QuotaAlteration] = field(ARRAY(QuotaAlteration), "0+")
    validate_only: bool = field(BOOL, "0+")


class QuotaAlterationResult(Message):
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+")
    entity: list[QuotaEntity] = field(ARRAY(QuotaEntity), "0+")


class AlterClientQuotasResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    entries: list[QuotaAlterationResult] = field(ARRAY(QuotaAlterationResult), "0+")


ALTER_CLIENT_QUOTAS = Api(
    key=49,
    name="AlterClientQuotas",
    versions="0-1",
    flexible="1+",
    request=AlterClientQuotasRequest,
    response=AlterClientQuotasResponse,
)
