"""AddOffsetsToTxn: key 25, versions 0-4.

Behaviour: announces, durably, that the transaction will commit offsets of a group; opens it unless
it is open.
Versions: 2 PRODUCER_FENCED, before it INVALID_PRODUCER_EPOCH.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse


def handle(state: BrokerState, request: Request, message: AddOffsetsToTxnRequest) -> None:
    """Add the group, answer when that is durable."""

    def done(error: int) -> None:
        if error == codes.PRODUCER_FENCED and request.version < 2:
            error = codes.INVALID_PRODUCER_EPOCH
        request.reply(AddOffsetsToTxnResponse(error_code=error))

    if not message.group_id:
        done(codes.INVALID_GROUP_ID)
        return
    state.transactions.add(
        message.transactional_id,
        (message.producer_id, message.producer_epoch),
        connection=request.connection.number,
        done=done,
        group_id=message.group_id,
    )
