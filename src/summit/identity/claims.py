"""What a token's claims make of its bearer: a role, and grants.

roles: {summit-admins: admin, soc: analyst}     by a value of the claim `roles` (or a list of them)
rolesClaim: realm_access.roles                  a path, where the issuer nests it
grantsClaim: summit_grants                      a list of `read:orders.` and the like
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from summit.base.errors import Invalid
from summit.identity.principal import ROLES, Principal, read_grants, read_role
from summit.identity.tokens import JwtOptions

NAME_CHARS_MAX: Final = 200


class IssuerOptions(JwtOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose tokens hold, and what their bearers may do.

    Attributes:
        name_claim: Names the bearer; `sub` where it is missing.
        roles_claim: Where the values stand that make the role.
        roles: The role by value; the highest counts.
        default_role: Of a bearer with none of them; None = it is refused.
        grants_claim: Where grants stand; None = what the role brings.
    """

    name_claim: str = "sub"
    roles_claim: str = "roles"
    roles: dict[str, str] = msgspec.field(default_factory=dict)
    default_role: str | None = None
    grants_claim: str | None = None

    def check(self) -> None:
        super().check()
        for value, role in self.roles.items():
            read_role(role, f"/roles/{value}")
        if self.default_role is not None:
            read_role(self.default_role, "/defaultRole")
        if not self.roles and self.default_role is None:
            reason = "give roles, or defaultRole: no token would let anybody in"
            raise Invalid("config.invalid", reason=reason, pointer="/roles")


def token_principal(claims: Mapping[str, Any], options: IssuerOptions) -> Principal:
    """Who bears a token that holds. Raises Invalid("auth.refused")."""
    name = _at(claims, options.name_claim) or claims.get("sub")
    if not isinstance(name, str) or not name or not name.isprintable():
        raise Invalid("auth.refused", reason=f"the token has no {options.name_claim}")
    found = [options.roles[value] for value in _texts(claims, options.roles_claim)
             if value in options.roles]  # fmt: skip
    role = max(found, key=ROLES.index) if found else options.default_role
    if role is None:
        reason = f"none of the token's {options.roles_claim} brings a role"
        raise Invalid("auth.refused", reason=reason)
    grants = None
    if options.grants_claim is not None and role != "admin":
        try:
            grants = read_grants(_texts(claims, options.grants_claim), role)
        except Invalid as error:
            reason = f"the token's {options.grants_claim}: {error.details['reason']}"
            raise Invalid("auth.refused", reason=reason) from error
    expires_ms = int((float(claims["exp"]) + options.leeway_s) * 1000)
    return Principal(name[:NAME_CHARS_MAX], "token", role, grants, expires_ms=expires_ms)


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim; where none has the whole path as its name, the parts lead inwards."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _texts(claims: Mapping[str, Any], path: str) -> list[str]:
    """The values of a claim: of a list, or one text with spaces between (as `scope` has them)."""
    value = _at(claims, path)
    if isinstance(value, str):
        return value.split()
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
