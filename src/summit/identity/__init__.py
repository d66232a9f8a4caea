"""The identity room: who asks, by what they prove it, and what they may do.

It listens nowhere: services, collectors and the broker hand in what a request brought along.
"""

from summit.base.hosts import is_loopback
from summit.identity.audit import AuditEntry
from summit.identity.certificates import CertificateRule, certificate_names
from summit.identity.credentials import basic_of, bearer_of, digest, same_as_one
from summit.identity.keys import KEY_PREFIX, ApiKey, KeyRing, mint_key
from summit.identity.principal import (
    ACTIONS,
    ANONYMOUS,
    LOCAL,
    ROLES,
    Grant,
    Principal,
    read_grants,
    read_role,
)
from summit.identity.rates import RateLimit
from summit.identity.throttle import FailedAttempts

__all__ = [
    "ACTIONS",
    "ANONYMOUS",
    "KEY_PREFIX",
    "LOCAL",
    "ROLES",
    "ApiKey",
    "AuditEntry",
    "CertificateRule",
    "FailedAttempts",
    "Grant",
    "KeyRing",
    "Principal",
    "RateLimit",
    "basic_of",
    "bearer_of",
    "certificate_names",
    "digest",
    "is_loopback",
    "mint_key",
    "read_grants",
    "read_role",
    "same_as_one",
]
