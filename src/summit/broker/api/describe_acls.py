"""DescribeAcls: key 29, versions 1-3.

Behaviour: the entries that the filter means, by resource. Without an authorizer it is
SECURITY_DISABLED, as in Kafka.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.security.acls import Filter
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.describe_acls import (
    AclDescription,
    DescribeAclsRequest,
    DescribeAclsResource,
    DescribeAclsResponse,
)


def handle(state: BrokerState, request: Request, message: DescribeAclsRequest) -> None:
    """Answer with the entries."""
    if not state.security.is_guarded:
        code = codes.SECURITY_DISABLED
        request.reply(
            DescribeAclsResponse(error_code=code, error_message="no authorizer", resources=[])
        )
        return
    wanted = Filter(
        message.resource_type_filter, message.resource_name_filter, message.pattern_type_filter,
        message.principal_filter, message.host_filter, message.operation, message.permission_type,
    )  # fmt: skip
    found: dict[tuple[int, str, int], DescribeAclsResource] = {}
    for entry in state.security.acls.find(wanted):
        place = entry.resource, entry.name, entry.pattern
        resource = found.setdefault(
            place,
            DescribeAclsResource(
                resource_type=entry.resource,
                resource_name=entry.name,
                pattern_type=entry.pattern,
                acls=[],
            ),
        )
        resource.acls.append(
            AclDescription(
                principal=entry.principal,
                host=entry.host,
                operation=entry.operation,
                permission_type=entry.permission,
            )
        )
    request.reply(DescribeAclsResponse(error_code=codes.NONE, resources=list(found.values())))
