"""InitProducerId: key 22, versions 0-5.

Behaviour: a producer without a transactional id gets a new id with epoch 0, from blocks that are
durable before their first id is given. With one it keeps its id and gets the next epoch, durably;
a transaction that is still open is aborted before. Whoever had the old epoch is fenced. A producer
that names its id and epoch (v3+) is refused unless they are still, or were just, its own.
Versions: 4 PRODUCER_FENCED, before it INVALID_PRODUCER_EPOCH.
"""

from __future__ import annotations

from summit.base.errors import SummitError
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.init_producer_id import InitProducerIdRequest, InitProducerIdResponse


def handle(state: BrokerState, request: Request, message: InitProducerIdRequest) -> None:
    """Give a producer id."""
    if (message.producer_id < 0) != (message.producer_epoch < 0):
        _reply(request, codes.INVALID_REQUEST)
        return
    if message.transactional_id is not None:

        def initialised(error: int, producer_id: int, epoch: int) -> None:
            if error == codes.PRODUCER_FENCED and request.version < 4:
                error = codes.INVALID_PRODUCER_EPOCH
            _reply(request, error, producer_id, epoch)

        state.transactions.init(
            message.transactional_id,
            message.transaction_timeout_ms,
            (message.producer_id, message.producer_epoch),
            initialised,
        )
        return

    def given(producer_id: int, error: SummitError | None) -> None:
        if error is not None:
            _reply(request, codes.code_of(error))
        else:
            _reply(request, codes.NONE, producer_id, 0)

    state.producer_ids.take(given)


def _reply(request: Request, error: int, producer_id: int = -1, epoch: int = -1) -> None:
    request.reply(
        InitProducerIdResponse(error_code=error, producer_id=producer_id, producer_epoch=epoch)
    )
