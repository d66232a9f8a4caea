"""CreateAcls: key 30, versions 1-3.

Behaviour: each entry is checked alone; what holds is made, and answered when it is durable. What
is there already is no error. Without an authorizer it is SECURITY_DISABLED, as in Kafka.
"""

from __future__ import annotations

from summit.base.errors import SummitError
from summit.broker.metadata_log import AccessEntry
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import acls, codes
from summit.protocol.create_acls import (
    AclCreation,
    AclCreationResult,
    CreateAclsRequest,
    CreateAclsResponse,
)


def handle(state: BrokerState, request: Request, message: CreateAclsRequest) -> None:
    """Make what can be made."""
    faults = [
        None if state.security.is_guarded else (codes.SECURITY_DISABLED, "no authorizer")
        for _ in message.creations
    ]
    faults = [fault or _fault(each) for fault, each in zip(faults, message.creations, strict=True)]
    made = [
        AccessEntry(
            each.resource_type, each.resource_name, each.resource_pattern_type, each.principal,
            each.host, each.operation, each.permission_type,
        )
        for each, fault in zip(message.creations, faults, strict=True)
        if fault is None
    ]  # fmt: skip

    def done(error: SummitError | None) -> None:
        failed = None if error is None else (codes.code_of(error), str(error))
        results = [fault or failed or (codes.NONE, None) for fault in faults]
        request.reply(
            CreateAclsResponse(
                results=[
                    AclCreationResult(error_code=code, error_message=text) for code, text in results
                ]
            )
        )

    if not made:
        done(None)
        return
    try:
        state.security.acls.alter(made, (), done)
    except SummitError as error:
        done(error)


def _fault(each: AclCreation) -> tuple[int, str] | None:
    known = acls.OF_RESOURCE.get(each.resource_type, ())
    if not known or each.resource_pattern_type not in acls.PATTERNS:
        return codes.INVALID_REQUEST, "the resource is of no known kind or pattern"
    if each.operation != acls.ALL and each.operation not in known:
        return codes.INVALID_REQUEST, "the operation does not belong to the resource"
    if each.permission_type not in acls.PERMISSIONS:
        return codes.INVALID_REQUEST, "it neither allows nor denies"
    if not each.resource_name or not each.host:
        return codes.INVALID_REQUEST, "a name and a host, or *, are needed"
    if each.resource_type == acls.CLUSTER and each.resource_name != acls.CLUSTER_NAME:
        return codes.INVALID_REQUEST, f"the cluster's name is {acls.CLUSTER_NAME}"
    if not each.principal.startswith("User:") or each.principal == "User:":
        return codes.INVALID_REQUEST, "a principal is User: and a name, or *"
    return None
