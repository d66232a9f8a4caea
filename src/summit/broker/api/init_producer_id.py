"""InitProducerId: key 22, versions 0-5.

Behaviour: a producer without a transactional id gets a new id with epoch 0, from blocks that are
durable before their first id is given; the id and epoch that it may name (v3+) are for
transactional producers.
Deviations: transactions are not served yet, so a transactional id is refused with
TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which clients take as final; FindCoordinator says the same.
"""

from __future__ import annotations

from summit.base.errors import SummitError
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.init_producer_id import InitProducerIdRequest, InitProducerIdResponse


def handle(state: BrokerState, request: Request, message: InitProducerIdRequest) -> None:
    """Give a producer id."""
    if message.transactional_id is not None:
        _reply(request, codes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
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
