"""ListTransactions: key 66, versions 0-2, flexible from 0.

Behaviour: an empty filter lets everything through; states that do not exist come back in
`unknown_state_filters`.

Versions: 1 how long a transaction has been open, ms · 2 a pattern (RE2) of transactional ids.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, INT64, STRING, Message, field


class ListTransactionsRequest(Message):
    state_filters: list[str] = field(ARRAY(STRING), "0+")
    producer_id_filters: list[int] = field(ARRAY(INT64), "0+")
    duration_filter: int = field(INT64, "1+", default=-1)
    transactional_id_pattern: str | None = field(STRING, "2+", nullable="2+", default=None)


class ListedTransaction(Message):
    transactional_id: str = field(STRING, "0+")
    producer_id: int = field(INT64, "0+")
    transaction_state: str = field(STRING, "0+")


class ListTransactionsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "0+")
    unknown_state_filters: list[str] = field(ARRAY(STRING), "0+")
    transaction_states: list[ListedTransaction] = field(ARRAY(ListedTransaction), "0+")


LIST_TRANSACTIONS = Api(
    key=66,
    name="ListTransactions",
    versions="0-2",
    flexible="0+",
    request=ListTransactionsRequest,
    response=ListTransactionsResponse,
)
