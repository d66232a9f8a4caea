"""Leader epochs towards clients: which one is current, and which one wrote an offset."""

from __future__ import annotations

from summit.log.partition import PartitionLog
from summit.protocol import codes

UNKNOWN_EPOCH = -1  # what a client sends that has no epoch to compare


def epoch_error(log: PartitionLog, current_leader_epoch: int) -> int:
    """The error code of a request that names the leader epoch it believes to be current."""
    if current_leader_epoch in (UNKNOWN_EPOCH, log.leader_epoch):
        return codes.NONE
    if current_leader_epoch < log.leader_epoch:
        return codes.FENCED_LEADER_EPOCH
    return codes.UNKNOWN_LEADER_EPOCH


def epoch_at(log: PartitionLog, offset: int) -> int:
    """The epoch whose leader wrote, or will write, the batch at `offset`."""
    return log.leader_epoch if offset >= log.high_watermark else log.epochs.epoch_at(offset)
