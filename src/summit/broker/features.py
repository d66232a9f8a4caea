"""The features of this broker that clients ask for by name, and the level of each."""

from __future__ import annotations

from typing import Final

# Two-phase epochs of transactions (KIP-890); groups whose partitions the broker assigns (KIP-848).
LEVELS: Final = {"group.version": 1, "transaction.version": 2}
