"""Configuration of the clients: the guide's names, what each allows, and what it really does.

A `+` marks what the guide does not have. Whatever stands here is honoured (`librdkafka.py` maps
it); a combination that cannot be is refused at construction with the reason.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.client.addresses import parse_addresses
from summit.client.security import ClientSecurity
from summit.serde import PARTS, REGISTRY_FORMATS, SchemaRegistryConfig, check_name

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
_ACKS: Final[dict[object, str]] = {"all": "all", "-1": "all", "1": "1", "0": "0"}
_INT_MAX: Final = 2**31 - 1


class ClientConfig(Config, frozen=True, kw_only=True):
    """What producer, consumer and admin have in common.

    Args:
        client_id: The name the broker shows in logs and quotas.
        bootstrap_servers: Addresses `host[:port]`; several = fail-over. A text is split at commas.
        connect_timeout_ms: + how long `connect` looks for a broker before it gives up.
        request_timeout_ms: + how long one request may take.
        security: + TLS and SASL; None = as `SUMMIT_CLIENT__*` of the environment says.
    """

    client_id: str = "summit"
    bootstrap_servers: list[str] | str = msgspec.field(default_factory=list)
    connect_timeout_ms: int = 10_000
    request_timeout_ms: int = 30_000
    security: ClientSecurity | None = None

    @property
    def known_as(self) -> ClientSecurity:
        """How this client makes itself known. Raises Invalid."""
        return self.security or ClientSecurity.of_environment()

    @property
    def servers(self) -> list[str]:
        """The configured addresses, each with its port."""
        return parse_addresses(self.bootstrap_servers)

    def check(self) -> None:
        _text(self, "client_id")
        _within(self, "connect_timeout_ms", 1, 3_600_000)
        _within(self, "request_timeout_ms", 10, 300_000)
        self.servers  # noqa: B018 - refuses what is no address


class AdminConfig(ClientConfig, frozen=True, kw_only=True):
    """Configuration of `Admin`."""


class ProducerConfig(ClientConfig, frozen=True, kw_only=True):
    """Configuration of `StreamProducer`.

    Args:
        acks: `all` = every in-sync replica has the record and it is durable; 1 = the leader has
            it; 0 = it was sent (results then carry offset -1).
        retries: Attempts after the first, each after a growing pause; then one error.
        batch_size: Bytes that one batch of a partition may hold; 0 = every record alone.
        linger_ms: How long a batch waits for company; 0 = at once.
        buffer_memory: Bytes of records (key, value, headers) not yet acknowledged; beyond it
            `send` waits up to `max_block_ms`, then raises.
        compression_type: none, gzip, snappy, lz4 or zstd.
        max_in_flight_requests_per_connection: Requests sent and not answered; 1-5 when idempotent.
        idempotence: The broker drops what a retry doubled. None = true where acks, retries and
            requests in flight allow it.
        transactional_id: Makes the producer transactional. A name of its own that outlives the
            process: a newer producer of that name shuts the older one out.
        transaction_timeout_ms: + how long a transaction may be open before the broker aborts it.
        delivery_timeout_ms: + the whole life of a record from `send` to the answer.
        max_block_ms: + how long `send` waits for room in the buffer, and the begin and the end of
            transactions for their answer.
        retry_backoff_ms: + the first pause before a retry; it doubles up to one second.
        max_request_size: + bytes of the largest record (with its batch).
        key_serializer: + the name of what makes bytes of keys: bytes, string, json, msgpack, and
            with a registry protobuf, avro and json-schema (both by the newest schema of the
            subject). None = keys are bytes or text already. What the producer itself is given
            goes first.
        value_serializer: + the same for values.
        schema_registry: + the registry for those formats: its address, or a
            `SchemaRegistryConfig`.
    """

    acks: str | int = "all"
    retries: int = 3
    batch_size: int = 16_384
    linger_ms: int = 10
    buffer_memory: int = 33_554_432
    compression_type: str = "none"
    max_in_flight_requests_per_connection: int = 5
    idempotence: bool | None = None
    transactional_id: str | None = None
    transaction_timeout_ms: int = 60_000
    delivery_timeout_ms: int = 120_000
    max_block_ms: int = 60_000
    retry_backoff_ms: int = 100
    max_request_size: int = 1_048_576
    key_serializer: str | None = None
    value_serializer: str | None = None
    schema_registry: SchemaRegistryConfig | str | None = None

    @property
    def required_acks(self) -> str:
        """`all`, `1` or `0`."""
        return _ACKS[str(self.acks)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.idempotence is None:
            msgspec.structs.force_setattr(self, "idempotence", not self._idempotence_obstacle())

    def check(self) -> None:
        super().check()
        if str(self.acks) not in _ACKS:
            raise _refused(self, "acks", f"'{self.acks}' is not one of all, 0, 1")
        _one_of(self, "compression_type", CODECS)
        _within(self, "retries", 0, _INT_MAX)
        _within(self, "batch_size", 0, _INT_MAX)
        _within(self, "linger_ms", 0, 900_000)
        _within(self, "buffer_memory", 1, None)
        _within(self, "max_in_flight_requests_per_connection", 1, 1_000_000)
        _within(self, "delivery_timeout_ms", 1, _INT_MAX)
        _within(self, "max_block_ms", 0, _INT_MAX)
        _within(self, "retry_backoff_ms", 1, 300_000)
        _within(self, "max_request_size", 1_000, 1_000_000_000)
        _serdes(self, "key_serializer", "value_serializer")
        if self.linger_ms >= self.delivery_timeout_ms:
            raise _refused(self, "linger_ms", "a batch would wait longer than deliveryTimeoutMs")
        if self.batch_size > self.buffer_memory:
            raise _refused(self, "batch_size", "a batch would not fit into bufferMemory")
        obstacle = self._idempotence_obstacle()
        if self.idempotence and obstacle:
            raise _refused(self, "idempotence", obstacle)
        _within(self, "transaction_timeout_ms", 1_000, _INT_MAX)
        if self.transactional_id is not None:
            _text(self, "transactional_id")
            if obstacle or self.idempotence is False:
                reason = obstacle or "it needs idempotence"
                raise _refused(self, "transactional_id", reason)

    def _idempotence_obstacle(self) -> str:
        if self.required_acks != "all":
            return f"it needs acks=all, not acks={self.acks}"
        if self.retries == 0:
            return "it needs retries of at least 1"
        if self.max_in_flight_requests_per_connection > 5:
            return "it keeps order with at most 5 maxInFlightRequestsPerConnection"
        return ""


class ConsumerConfig(ClientConfig, frozen=True, kw_only=True):
    """Configuration of `StreamConsumer`.

    Args:
        group_id: The consumer group; its members share the partitions.
        auto_offset_reset: Where to start without a committed offset: earliest, latest (the log's
            end), or none (an error).
        enable_auto_commit: Commit by itself what the handler finished (or, with `poll`, what the
            next `poll` or `close` shows to be done).
        auto_commit_interval_ms: Between two such commits.
        session_timeout_ms: A member silent for so long loses its partitions.
        heartbeat_interval_ms: Between two signs of life; less than the session time-out.
        max_poll_records: Most records of one poll, over all partitions.
        max_poll_interval_ms: A member that does not poll for so long leaves the group.
        isolation_level: read_uncommitted or read_committed.
        metadata_max_age_ms: + how soon new topics and partitions are noticed.
        fetch_max_wait_ms: + how long the broker may hold a fetch that has no data yet.
        handler_retries: + calls of a failing handler after the first, for the same record.
        handler_backoff_ms: + pause before the first such call; it doubles up to ten seconds.
        on_handler_failure: + what happens then: `stop` the consumer before that record, `skip`
            the record (told by an `error` event, counted in `skipped`), or put it into the topic
            `<topic>.dlq` as a `dead-letter` (the same, and counted in `dead_lettered`). It also
            decides, for `poll` too, on a record that cannot be deserialized: at once.
        max_concurrency: + how many partitions are handled side by side.
        group_instance_id: + a name of this member that outlives its process: when it is back
            within the session time-out, the group is not shared out anew.
        key_deserializer: + the name of what makes values of a key's bytes: bytes, string, json,
            msgpack, and with a registry avro, protobuf and json-schema. None = bytes. What the
            consumer itself is given goes first.
        value_deserializer: + the same for values.
        schema_registry: + the registry for those formats: its address, or a
            `SchemaRegistryConfig`.
    """

    group_id: str
    auto_offset_reset: str = "latest"
    enable_auto_commit: bool = True
    auto_commit_interval_ms: int = 5_000
    session_timeout_ms: int = 30_000
    heartbeat_interval_ms: int = 3_000
    max_poll_records: int = 500
    max_poll_interval_ms: int = 300_000
    isolation_level: str = "read_uncommitted"
    metadata_max_age_ms: int = 30_000
    fetch_max_wait_ms: int = 500
    handler_retries: int = 3
    handler_backoff_ms: int = 100
    on_handler_failure: str = "stop"
    max_concurrency: int = 100
    group_instance_id: str | None = None
    key_deserializer: str | None = None
    value_deserializer: str | None = None
    schema_registry: SchemaRegistryConfig | str | None = None

    def check(self) -> None:
        super().check()
        _text(self, "group_id")
        _one_of(self, "auto_offset_reset", ("earliest", "latest", "none"))
        _one_of(self, "isolation_level", ("read_uncommitted", "read_committed"))
        _one_of(self, "on_handler_failure", ("stop", "skip", "dead-letter"))
        _within(self, "max_concurrency", 1, 100_000)
        if self.group_instance_id is not None:
            _text(self, "group_instance_id")
        _within(self, "auto_commit_interval_ms", 1, 86_400_000)
        _within(self, "session_timeout_ms", 1, 3_600_000)
        _within(self, "heartbeat_interval_ms", 1, 3_600_000)
        _within(self, "max_poll_records", 1, 1_000_000)
        _within(self, "max_poll_interval_ms", 1, 86_400_000)
        _within(self, "metadata_max_age_ms", 10, 3_600_000)
        _within(self, "fetch_max_wait_ms", 0, 300_000)
        _within(self, "handler_retries", 0, 1_000)
        _within(self, "handler_backoff_ms", 0, 3_600_000)
        _serdes(self, "key_deserializer", "value_deserializer")
        if self.heartbeat_interval_ms >= self.session_timeout_ms:
            raise _refused(self, "heartbeat_interval_ms", "it must be below sessionTimeoutMs")
        if self.max_poll_interval_ms < self.session_timeout_ms:
            raise _refused(self, "max_poll_interval_ms", "it must be at least sessionTimeoutMs")


def _refused(config: Config, field: str, reason: str) -> Invalid:
    wire = next(f.encode_name for f in msgspec.structs.fields(config) if f.name == field)
    return Invalid(
        "config.invalid",
        reason=f"{type(config).__name__}.{wire}: {reason}",
        pointer=f"/{wire}",
    )


def _text(config: Config, field: str) -> None:
    if not getattr(config, field).strip():
        raise _refused(config, field, "it is empty")


def _serdes(config: ProducerConfig | ConsumerConfig, *fields: str) -> None:
    named: dict[str, str] = {}
    for part, field in zip(PARTS, fields, strict=True):
        name: str | None = getattr(config, field)
        if name is not None:
            check_name(name, part)
            named[field] = name
    with_registry = [field for field, name in named.items() if name in REGISTRY_FORMATS]
    if with_registry and config.schema_registry is None:
        reason = f"'{named[with_registry[0]]}' by its name needs a schemaRegistry"
        raise _refused(config, with_registry[0], reason)
    if config.schema_registry is not None and not with_registry:
        reason = f"only the formats {', '.join(REGISTRY_FORMATS)} by their names use it"
        raise _refused(config, "schema_registry", reason)
    if isinstance(config.schema_registry, str):
        SchemaRegistryConfig(url=config.schema_registry)  # refuses what is no address


def _one_of(config: Config, field: str, allowed: tuple[str, ...]) -> None:
    value: Any = getattr(config, field)
    if value not in allowed:
        raise _refused(config, field, f"'{value}' is not one of {', '.join(allowed)}")


def _within(config: Config, field: str, first: int, last: int | None) -> None:
    value: Any = getattr(config, field)
    if value < first or (last is not None and value > last):
        to = "" if last is None else f" to {last:,}"
        raise _refused(config, field, f"{value} is not in {first:,}{to or ' or more'}")
