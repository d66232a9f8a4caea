"""What a client may do, as the bit fields that Describe answers carry when asked.

There is no access control: everybody may do everything that a kind of resource knows. Bit n stands
for the operation with the number n of Kafka's access control lists.
"""

from __future__ import annotations

from typing import Final

_READ: Final = 1 << 3
_WRITE: Final = 1 << 4
_CREATE: Final = 1 << 5
_DELETE: Final = 1 << 6
_ALTER: Final = 1 << 7
_DESCRIBE: Final = 1 << 8
_CLUSTER_ACTION: Final = 1 << 9
_DESCRIBE_CONFIGS: Final = 1 << 10
_ALTER_CONFIGS: Final = 1 << 11
_IDEMPOTENT_WRITE: Final = 1 << 12

_CONFIGS: Final = _DESCRIBE_CONFIGS | _ALTER_CONFIGS

ON_CLUSTER: Final = _CREATE | _ALTER | _DESCRIBE | _CLUSTER_ACTION | _IDEMPOTENT_WRITE | _CONFIGS
ON_TOPIC: Final = _READ | _WRITE | _CREATE | _DELETE | _ALTER | _DESCRIBE | _CONFIGS
ON_GROUP: Final = _READ | _DELETE | _DESCRIBE | _CONFIGS
