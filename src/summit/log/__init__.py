"""Partition logs on disk, their common write-ahead log, and recovery."""

from __future__ import annotations

from summit.log.checkpoint import Checkpoint
from summit.log.group import Group
from summit.log.partition import PartitionLog
from summit.log.recovery import RecoveryReport
from summit.log.settings import Durability, LogConfig, StoreSettings
from summit.log.store import LogStore
from summit.log.truncating import truncate_closed
from summit.log.write import AppendResult

__all__ = [
    "AppendResult",
    "Checkpoint",
    "Durability",
    "Group",
    "LogConfig",
    "LogStore",
    "PartitionLog",
    "RecoveryReport",
    "StoreSettings",
    "truncate_closed",
]
