"""DescribeClientQuotas: key 48, versions 0-1, flexible from 1.

Behaviour: the quotas of the entities that all components match. A component matches the name that
it gives (0), the default of its kind (1), or any name of it (2); strict leaves out entities of more
kinds than were asked for.
"""

from __future__ import annotations

from typing import Final

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, FLOAT64, INT8, INT16, INT32, STRING, Message, field

MATCH_EXACT: Final = 0
MATCH_DEFAULT: Final = 1
MATCH_ANY: Final = 2


class QuotaComponent(Message):
    entity_type: str = field(STRING, "0+")
    match_type: int = field(INT8, "0+")
    match: str | None = field(STRING, "0+", nullable="0+")


class DescribeClientQuotasRequest(Message):
    components: list[QuotaComponent] = field(ARRAY(QuotaComponent), "0+")
    strict: bool = field(BOOL, "0+")


class QuotaEntity(Message):
    entity_type: str = field(STRING, "0+")
    entity_name: str | None = field(STRING, "0+", nullable="0+")


class QuotaValue(Message):
    key: str = field(STRING, "0+")
    value: float = field(FLOAT64, "0+")


class QuotaEntry(Message):
    entity: list[QuotaEntity] = field(ARRAY(QuotaEntity), "0+")
    values: list[QuotaValue] = field(ARRAY(QuotaValue), "0+")


class DescribeClientQuotasResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+")
    entries: list[QuotaEntry] | None = field(ARRAY(QuotaEntry), "0+", nullable="0+")


DESCRIBE_CLIENT_QUOTAS = Api(
    key=48,
    name="DescribeClientQuotas",
    versions="0-1",
    flexible="1+",
    request=DescribeClientQuotasRequest,
    response=DescribeClientQuotasResponse,
)
