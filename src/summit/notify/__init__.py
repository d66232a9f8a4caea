"""Telling people: a notice of an alert, and the channels that carry it."""

from summit.notify.asking import ask_to_tell
from summit.notify.channel import Channel, Notice
from summit.notify.channels import CHANNEL_TYPES, NotificationChannel, open_channel
from summit.notify.notifier import Notifier
from summit.notify.outlets import Outlets
from summit.notify.recipient import prepare_recipient

__all__ = [
    "CHANNEL_TYPES", "Channel", "Notice", "NotificationChannel", "Notifier", "Outlets",
    "ask_to_tell", "open_channel", "prepare_recipient",
]  # fmt: skip
