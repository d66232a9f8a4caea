"""Telling people: a notice of an alert, and the channels that carry it."""

from summit.notify.channel import Channel, Notice
from summit.notify.channels import CHANNEL_TYPES, NotificationChannel, open_channel

__all__ = ["CHANNEL_TYPES", "Channel", "Notice", "NotificationChannel", "open_channel"]
