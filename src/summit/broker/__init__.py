"""The embedded broker: real TCP, the Kafka protocol, durable topics, classic consumer groups.

`Broker` runs on the caller's event loop, `BrokerThread` on a thread and loop of its own,
`main.run` as a process.
"""

from __future__ import annotations

from summit.broker.server import Broker
from summit.broker.settings import BrokerSettings, Durability
from summit.broker.thread import BrokerThread

__all__ = ["Broker", "BrokerSettings", "BrokerThread", "Durability"]
