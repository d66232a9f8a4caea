"""The one door to librdkafka: its lazy import, its settings, its logs.

`confluent_kafka` takes a quarter of a second to import, so nothing imports it before a client
connects. Settings: what the configuration classes promise, in librdkafka's words, and the few
defaults of librdkafka that we change, each with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from summit.base.limits import CLIENT_QUEUE_KIB, TOPIC_UNKNOWN_AFTER_MS
from summit.base.logs import get_logger
from summit.client.settings import AdminConfig, ClientConfig, ConsumerConfig, ProducerConfig

ErrorCallback = Callable[[Any], None]

_BATCH_RECORDS_MAX: Final = 1_000_000  # librdkafka's own ceiling: batchSize counts bytes instead


def load() -> ModuleType:
    """Import confluent_kafka. Blocks for a quarter of a second the first time."""
    import confluent_kafka

    return confluent_kafka


def load_admin() -> ModuleType:
    """Import confluent_kafka.admin."""
    import confluent_kafka.admin

    return confluent_kafka.admin


def _common(config: ClientConfig, servers: list[str], on_error: ErrorCallback) -> dict[str, Any]:
    return {
        "bootstrap.servers": ",".join(servers),
        "client.id": config.client_id,
        "socket.timeout.ms": config.request_timeout_ms,
        "socket.keepalive.enable": True,
        "socket.nagle.disable": True,
        # An embedded broker is back within a second of its restart; the default waits up to ten.
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "topic.metadata.propagation.max.ms": TOPIC_UNKNOWN_AFTER_MS,
        "log.connection.close": False,
        "error_cb": on_error,
        "logger": Log(config.client_id),
        **config.known_as.librdkafka(),
    }


def producer_settings(
    config: ProducerConfig, servers: list[str], on_error: ErrorCallback
) -> dict[str, Any]:
    """Settings of a librdkafka producer that keep what `config` promises."""
    codec = config.compression_type
    life_ms = config.delivery_timeout_ms
    transactional: dict[str, Any] = {}
    if config.transactional_id is not None:
        life_ms = min(life_ms, config.transaction_timeout_ms)
        transactional = {
            "transactional.id": config.transactional_id,
            "transaction.timeout.ms": config.transaction_timeout_ms,
            # librdkafka wants one request to be over before the transaction is.
            "socket.timeout.ms": min(
                config.request_timeout_ms, max(900, config.transaction_timeout_ms - 100)
            ),
            # Otherwise send_offsets_to_transaction was seen never to return after all brokers had
            # been away, whatever its time-out (librdkafka 2.16); not after every short absence.
            "metadata.recovery.strategy": "none",
        }
    return (
        _common(config, servers, on_error)
        | {
            "acks": config.required_acks,
            "enable.idempotence": config.idempotence,
            "retries": config.retries,
            "retry.backoff.ms": config.retry_backoff_ms,
            "retry.backoff.max.ms": max(1_000, config.retry_backoff_ms),
            "max.in.flight.requests.per.connection": config.max_in_flight_requests_per_connection,
            "request.timeout.ms": config.request_timeout_ms,
            "message.timeout.ms": life_ms,
            "batch.size": max(1, config.batch_size),
            "batch.num.messages": 1 if config.batch_size == 0 else _BATCH_RECORDS_MAX,
            "linger.ms": config.linger_ms,
            "compression.codec": codec,
            "message.max.bytes": config.max_request_size,
            # The Java client's placement, so that all clients put a key into the same partition.
            "partitioner": "murmur2_random",
            # bufferMemory is counted by the producer itself, exactly and with its own waiting line;
            # librdkafka's own limits must never be met before it.
            "queue.buffering.max.messages": 0,
            "queue.buffering.max.kbytes": min(2**31 - 1, config.buffer_memory // 1024 + 1_048_576),
        }
        | transactional
    )


def consumer_settings(
    config: ConsumerConfig, servers: list[str], on_error: ErrorCallback
) -> dict[str, Any]:
    """Settings of a librdkafka consumer that keep what `config` promises."""
    reset = "error" if config.auto_offset_reset == "none" else config.auto_offset_reset
    member: dict[str, Any] = {}
    if config.group_instance_id is not None:
        member = {"group.instance.id": config.group_instance_id}
    return (
        _common(config, servers, on_error)
        | member
        | {
            "group.id": config.group_id,
            "auto.offset.reset": reset,
            # Commits are ours: librdkafka would commit what it handed over, not what was finished.
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "session.timeout.ms": config.session_timeout_ms,
            "heartbeat.interval.ms": config.heartbeat_interval_ms,
            "max.poll.interval.ms": config.max_poll_interval_ms,
            "isolation.level": config.isolation_level,
            "topic.metadata.refresh.interval.ms": config.metadata_max_age_ms,
            "fetch.wait.max.ms": config.fetch_max_wait_ms,
            "fetch.error.backoff.ms": 100,
            # A full queue is looked at again soon: the default second would stall a fast reader.
            "fetch.queue.backoff.ms": 10,
            "queued.max.messages.kbytes": CLIENT_QUEUE_KIB,
            "check.crcs": True,
        }
    )


def admin_settings(config: AdminConfig, servers: list[str]) -> dict[str, Any]:
    """Settings of a librdkafka admin client.

    Nobody polls an admin client, so nothing may be queued for that: no logs, no error events.
    """
    settings = _common(config, servers, lambda _: None) | {
        "log_level": 0,
        # What only the controller does waits for the broker that was it at the last refresh.
        "topic.metadata.refresh.interval.ms": 10_000,
    }
    del settings["error_cb"], settings["logger"]
    return settings


def group_metadata(group_id: str, servers: list[str]) -> Any:
    """What names a group without members to `send_offsets_to_transaction`. Asks no broker."""
    settings = {"bootstrap.servers": ",".join(servers), "group.id": group_id, "log_level": 0}
    consumer = load().Consumer(settings)
    try:
        return consumer.consumer_group_metadata()
    finally:
        consumer.close()


class Log:
    """Takes librdkafka's log lines into our log, on whatever thread polls.

    Lost connections are an everyday thing to librdkafka, which goes on trying; they are told at
    debug level here and as `error` events by the client where they matter.
    """

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id

    def log(self, level: int, message: str, *args: object) -> None:
        """One line: Python's logging level, a format, its facility, client and text."""
        text = message % args if args else message
        everyday = bool(args) and args[0] == "FAIL"
        log = get_logger(__name__)
        write = log.debug if everyday or level < 30 else log.warning if level < 40 else log.error
        write("librdkafka", client_id=self._client_id, text=text)
