"""Access control lists of the brokers, in words: see `protocol.acls`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from summit.base.errors import Invalid
from summit.client.admin.connection import Connection
from summit.client.wire import fault
from summit.protocol import acls, codes
from summit.protocol.create_acls import CREATE_ACLS, AclCreation, CreateAclsRequest
from summit.protocol.delete_acls import DELETE_ACLS, DeleteAclsFilter, DeleteAclsRequest
from summit.protocol.describe_acls import DESCRIBE_ACLS, DescribeAclsRequest

_ANYTHING: Final = "any"


class AccessRule(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who may, or may not, do what with what; or, to find some, which rules are meant.

    `resource` is topic, group, cluster or transactional-id; `pattern` literal or prefixed. To find
    rules, None means every one, and the pattern `match` all that say anything about the name.
    """

    resource: str | None = None
    name: str | None = None
    pattern: str | None = None
    principal: str | None = None
    host: str | None = None
    operation: str | None = None
    permission: str | None = None


class Rules(Connection):
    """The access control lists of a broker or a cluster."""

    async def create_access(self, rule: AccessRule) -> None:
        """Make a rule. What is None: pattern literal, host *, permission allow.

        Raises: Invalid("client.refused") for what is no rule, or where brokers keep none.
        """
        creation = AclCreation(
            resource_type=_number(acls.RESOURCES, rule.resource),
            resource_name=rule.name or "",
            resource_pattern_type=_number(acls.PATTERNS, rule.pattern or "literal"),
            principal=rule.principal or "",
            host=rule.host or acls.WILDCARD,
            operation=_number(acls.OPERATIONS, rule.operation),
            permission_type=_number(acls.PERMISSIONS, rule.permission or "allow"),
        )
        answer = await self._asking().ask(CREATE_ACLS, CreateAclsRequest(creations=[creation]))
        (result,) = answer.results
        _see(result.error_code, result.error_message)

    async def list_access(self, wanted: AccessRule | None = None) -> list[AccessRule]:
        """The rules that are meant; all without any."""
        filters = _filter(wanted or AccessRule())
        request = DescribeAclsRequest(
            resource_type_filter=filters.resource_type_filter,
            resource_name_filter=filters.resource_name_filter,
            pattern_type_filter=filters.pattern_type_filter,
            principal_filter=filters.principal_filter,
            host_filter=filters.host_filter,
            operation=filters.operation,
            permission_type=filters.permission_type,
        )
        answer = await self._asking().ask(DESCRIBE_ACLS, request)
        _see(answer.error_code, answer.error_message)
        return [
            _rule(
                (each.resource_type, each.resource_name, each.pattern_type),
                (entry.principal, entry.host, entry.operation, entry.permission_type),
            )
            for each in answer.resources
            for entry in each.acls
        ]

    async def delete_access(self, wanted: AccessRule) -> list[AccessRule]:
        """Delete the rules that are meant; which those were."""
        request = DeleteAclsRequest(filters=[_filter(wanted)])
        (result,) = (await self._asking().ask(DELETE_ACLS, request)).filter_results
        _see(result.error_code, result.error_message)
        return [
            _rule(
                (each.resource_type, each.resource_name, each.pattern_type),
                (each.principal, each.host, each.operation, each.permission_type),
            )
            for each in result.matching_acls
        ]


def _filter(rule: AccessRule) -> DeleteAclsFilter:
    patterns = {**acls.PATTERNS, acls.MATCH: "match", acls.ANY: _ANYTHING}
    return DeleteAclsFilter(
        resource_type_filter=_number(_with_any(acls.RESOURCES), rule.resource or _ANYTHING),
        resource_name_filter=rule.name,
        pattern_type_filter=_number(patterns, rule.pattern or _ANYTHING),
        principal_filter=rule.principal,
        host_filter=rule.host,
        operation=_number(_with_any(acls.OPERATIONS), rule.operation or _ANYTHING),
        permission_type=_number(_with_any(acls.PERMISSIONS), rule.permission or _ANYTHING),
    )


def _with_any(names: Mapping[int, str]) -> dict[int, str]:
    return {**names, acls.ANY: _ANYTHING}


def _number(names: Mapping[int, str], word: str | None) -> int:
    for number, name in names.items():
        if name == word:
            return number
    raise Invalid("client.refused", reason=f"'{word}' is not one of {', '.join(names.values())}")


def _rule(resource: tuple[int, str, int], entry: tuple[str, str, int, int]) -> AccessRule:
    kind, name, pattern = resource
    principal, host, operation, permission = entry
    return AccessRule(
        resource=acls.RESOURCES.get(kind, str(kind)),
        name=name,
        pattern=acls.PATTERNS.get(pattern, str(pattern)),
        principal=principal,
        host=host,
        operation=acls.OPERATIONS.get(operation, str(operation)),
        permission=acls.PERMISSIONS.get(permission, str(permission)),
    )


def _see(code: int, message: str | None) -> None:
    if code != codes.NONE:
        raise fault(code, reason=message or codes.name_of(code))
