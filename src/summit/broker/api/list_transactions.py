"""ListTransactions: key 66, versions 0-2.

Behaviour: all transactional ids that pass every filter that is given.
Versions: 1 only those that have been open for longer, ms · 2 a pattern (RE2) that the whole id must
match; one that is none is INVALID_REGULAR_EXPRESSION.
"""

from __future__ import annotations

from typing import Any, Final

from summit.base.errors import Invalid
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.transactions.transaction import State, Transaction
from summit.events.regexes import compile_regex
from summit.protocol import codes
from summit.protocol.list_transactions import (
    ListedTransaction,
    ListTransactionsRequest,
    ListTransactionsResponse,
)

_STATES: Final = frozenset(state.value for state in State)


def handle(state: BrokerState, request: Request, message: ListTransactionsRequest) -> None:
    """List what passes the filters."""
    unknown = [name for name in message.state_filters if name not in _STATES]
    pattern: Any = None
    if message.transactional_id_pattern:
        try:
            pattern = compile_regex(message.transactional_id_pattern)
        except Invalid:
            request.reply(
                ListTransactionsResponse(
                    error_code=codes.INVALID_REGULAR_EXPRESSION,
                    unknown_state_filters=unknown,
                    transaction_states=[],
                )
            )
            return
    now_ms = state.clock.now_ms()
    found = [
        ListedTransaction(
            transactional_id=each.transactional_id,
            producer_id=each.producer_id,
            transaction_state=each.state.value,
        )
        for each in state.transactions.all()
        if _passes(each, message, now_ms)
        and (pattern is None or pattern.fullmatch(each.transactional_id))
    ]
    request.reply(
        ListTransactionsResponse(
            error_code=codes.NONE, unknown_state_filters=unknown, transaction_states=found
        )
    )


def _passes(each: Transaction, message: ListTransactionsRequest, now_ms: int) -> bool:
    if message.state_filters and each.state.value not in message.state_filters:
        return False
    if message.producer_id_filters and each.producer_id not in message.producer_id_filters:
        return False
    if message.duration_filter >= 0:
        return each.started_ms >= 0 and now_ms - each.started_ms > message.duration_filter
    return True
