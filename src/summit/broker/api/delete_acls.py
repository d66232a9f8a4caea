"""DeleteAcls: key 31, versions 1-3.

Behaviour: what any of the filters means is deleted, and answered when that is durable. Without an
authorizer it is SECURITY_DISABLED, as in Kafka.
"""

from __future__ import annotations

from summit.base.errors import SummitError
from summit.broker.metadata_log import AccessEntry
from summit.broker.request import Request
from summit.broker.security.acls import Filter
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.delete_acls import (
    DeleteAclsFilterResult,
    DeleteAclsMatchingAcl,
    DeleteAclsRequest,
    DeleteAclsResponse,
)


def handle(state: BrokerState, request: Request, message: DeleteAclsRequest) -> None:
    """Delete and name what is deleted."""
    security = state.security
    found = [
        security.acls.find(
            Filter(
                each.resource_type_filter, each.resource_name_filter, each.pattern_type_filter,
                each.principal_filter, each.host_filter, each.operation, each.permission_type,
            )
        )
        for each in message.filters
    ]  # fmt: skip

    def done(error: SummitError | None) -> None:
        code = codes.NONE if error is None else codes.code_of(error)
        answer(code, None if error is None else str(error))

    def answer(code: int, text: str | None) -> None:
        request.reply(
            DeleteAclsResponse(
                filter_results=[
                    DeleteAclsFilterResult(
                        error_code=code,
                        error_message=text,
                        matching_acls=[] if code else [_told(entry) for entry in entries],
                    )
                    for entries in found
                ]
            )
        )

    if not security.is_guarded:
        answer(codes.SECURITY_DISABLED, "no authorizer")
        return
    gone = {entry: None for entries in found for entry in entries}
    if not gone:
        answer(codes.NONE, None)
        return
    try:
        security.acls.alter((), gone, done)
    except SummitError as error:
        done(error)


def _told(entry: AccessEntry) -> DeleteAclsMatchingAcl:
    return DeleteAclsMatchingAcl(
        error_code=codes.NONE,
        resource_type=entry.resource,
        resource_name=entry.name,
        pattern_type=entry.pattern,
        principal=entry.principal,
        host=entry.host,
        operation=entry.operation,
        permission_type=entry.permission,
    )
