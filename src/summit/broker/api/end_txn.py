"""EndTxn: key 26, versions 0-5.

Behaviour: answered when the decision is durable, in one group with the offsets and behind all data;
from then on the transaction has ended, whatever happens. Readers see it when the markers stand,
which are written right after. A repeated EndTxn gets the same answer; one for a transaction that
ended otherwise, or that comes late, when the next has begun, is refused.
Versions: 2 PRODUCER_FENCED, before it INVALID_PRODUCER_EPOCH · 5 raises the epoch and tells it.
Deviations: before v5 the protocol cannot tell a late EndTxn from one for the open transaction; it
is refused if it comes on an older connection than the one that began the transaction.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.end_txn import EndTxnRequest, EndTxnResponse


def handle(state: BrokerState, request: Request, message: EndTxnRequest) -> None:
    """End the transaction."""

    def done(error: int, producer_id: int, epoch: int) -> None:
        if error == codes.PRODUCER_FENCED and request.version < 2:
            error = codes.INVALID_PRODUCER_EPOCH
        request.reply(
            EndTxnResponse(error_code=error, producer_id=producer_id, producer_epoch=epoch)
        )

    state.transactions.end(
        message.transactional_id,
        (message.producer_id, message.producer_epoch),
        is_commit=message.committed,
        raises_epoch=request.version >= 5,
        connection=request.connection.number,
        done=done,
    )
