"""Access control lists in Kafka's numbers and words, for both sides of the wire."""

from __future__ import annotations

from typing import Final

# Resource types.
ANY: Final = 1  # of all four tables: anything, in filters only
TOPIC: Final = 2
GROUP: Final = 3
CLUSTER: Final = 4
TRANSACTIONAL_ID: Final = 5
DELEGATION_TOKEN: Final = 6
USER: Final = 7
RESOURCES: Final = {
    TOPIC: "topic", GROUP: "group", CLUSTER: "cluster", TRANSACTIONAL_ID: "transactional-id",
    DELEGATION_TOKEN: "delegation-token", USER: "user",
}  # fmt: skip
CLUSTER_NAME: Final = "kafka-cluster"

# Pattern types; MATCH (in filters only) finds everything that says anything about a name.
MATCH: Final = 2
LITERAL: Final = 3
PREFIXED: Final = 4
PATTERNS: Final = {LITERAL: "literal", PREFIXED: "prefixed"}
WILDCARD: Final = "*"

# Operations.
ALL: Final = 2
READ: Final = 3
WRITE: Final = 4
CREATE: Final = 5
DELETE: Final = 6
ALTER: Final = 7
DESCRIBE: Final = 8
CLUSTER_ACTION: Final = 9
DESCRIBE_CONFIGS: Final = 10
ALTER_CONFIGS: Final = 11
IDEMPOTENT_WRITE: Final = 12
OPERATIONS: Final = {
    ALL: "all", READ: "read", WRITE: "write", CREATE: "create", DELETE: "delete", ALTER: "alter",
    DESCRIBE: "describe", CLUSTER_ACTION: "cluster-action", DESCRIBE_CONFIGS: "describe-configs",
    ALTER_CONFIGS: "alter-configs", IDEMPOTENT_WRITE: "idempotent-write",
    13: "create-tokens", 14: "describe-tokens", 15: "two-phase-commit",
}  # fmt: skip

# Permission types.
DENY: Final = 2
ALLOW: Final = 3
PERMISSIONS: Final = {DENY: "deny", ALLOW: "allow"}

# What a kind of resource knows.
OF_RESOURCE: Final[dict[int, tuple[int, ...]]] = {
    TOPIC: (READ, WRITE, CREATE, DESCRIBE, DELETE, ALTER, DESCRIBE_CONFIGS, ALTER_CONFIGS),
    GROUP: (READ, DESCRIBE, DELETE, DESCRIBE_CONFIGS, ALTER_CONFIGS),
    CLUSTER: (
        CREATE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE, ALTER, DESCRIBE,
    ),
    TRANSACTIONAL_ID: (DESCRIBE, WRITE, 15),
    DELEGATION_TOKEN: (DESCRIBE,),
    USER: (13, 14),
}  # fmt: skip

# Each is allowed as well by who is allowed any of these.
IMPLIED: Final[dict[int, tuple[int, ...]]] = {
    DESCRIBE: (READ, WRITE, DELETE, ALTER),
    DESCRIBE_CONFIGS: (ALTER_CONFIGS,),
}
