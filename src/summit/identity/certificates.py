"""Client certificates: the names in one, and whose they are.

A certificate that TLS has verified says who somebody is by its subject, `CN=collector-1,O=Acme`,
its common name alone, `CN=collector-1`, and its alternative names, `DNS:host`, `URI:spiffe://…`,
`email:ada@example.com`. A rule names one of these; the first that fits decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from summit.base.config import Config
from summit.identity.principal import Principal, read_grants, read_role

_SHORT: Final = {
    "commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU",
    "countryName": "C", "localityName": "L", "stateOrProvinceName": "ST",
}  # fmt: skip


class CertificateRule(Config, frozen=True, kw_only=True):
    """What the holder of a certificate may do.

    Attributes:
        subject: One of its names; `*` = any certificate of the authority.
        role: One of the roles.
        grants: `action:prefix`; None = what the role brings.
    """

    subject: str
    role: str = "viewer"
    grants: list[str] | None = None

    def check(self) -> None:
        read_role(self.role)
        read_grants(self.grants, self.role)


def certificate_names(peer: Mapping[str, Any]) -> list[str]:
    """The names in a certificate, as `ssl.SSLSocket.getpeercert` gives it; the subject first.

    >>> certificate_names({"subject": ((("organizationName", "Acme"),), (("commonName", "c1"),)),
    ...                    "subjectAltName": (("DNS", "c1.acme.example"),)})
    ['CN=c1,O=Acme', 'CN=c1', 'DNS:c1.acme.example']
    """
    parts = [(name, value) for group in peer.get("subject", ()) for name, value in group]
    # Most specific first, as RFC 4514 writes it.
    subject = ",".join(f"{_SHORT.get(name, name)}={_escaped(v)}" for name, v in reversed(parts))
    names = [subject] if subject else []
    names += [f"CN={_escaped(v)}" for name, v in parts if name == "commonName"]
    names += [f"{kind}:{value}" for kind, value in peer.get("subjectAltName", ())]
    return list(dict.fromkeys(names))


def certificate_principal(
    peer: Mapping[str, Any], rules: Sequence[CertificateRule]
) -> Principal | None:
    """Whose certificate it is by the first rule that fits; None where none does."""
    names = certificate_names(peer)
    for rule in rules:
        if rule.subject == "*" or rule.subject in names:
            name = names[0] if names else "*"
            grants = read_grants(rule.grants, rule.role)
            return Principal(name, "certificate", rule.role, grants)
    return None


def _escaped(value: str) -> str:
    """A value in which a comma begins nothing new: `O=Acme\\, Inc.`."""
    return "".join(f"\\{c}" if c in ',+"\\<>;=' else c for c in value)
