"""`EmbeddedBroker`: a whole broker inside this process, without an event loop of the caller's.

It runs on a thread and loop of its own and speaks Kafka's protocol over TCP. `MessageBroker` stands
on it; by itself it serves programs and tests that only need something to dial.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

from summit.base.clock import Clock
from summit.base.errors import Closed, Conflict, SummitError
from summit.base.files import Files
from summit.base.memory_files import MemoryFiles
from summit.base.secrets import INNER_USER
from summit.broker import BrokerThread
from summit.client import format_address
from summit.client.security import ClientSecurity
from summit.stream_processing.back_end import BackupMade
from summit.stream_processing.metrics import StreamMetrics, stream_metrics
from summit.stream_processing.settings import BrokerConfig


class EmbeddedBroker:
    """One broker; also a `with` context. Clients' `connect(broker)` dial its `address`.

    It may be started again after it was stopped: it then holds what it held, in memory as well.

    Example:
        >>> with EmbeddedBroker.in_memory() as broker:
        ...     print(broker.address.startswith("127.0.0.1:"))
        True

    Args:
        config: A `BrokerConfig` or a mapping with its names; or give its fields by keyword.
        files: The disk it is on; that of the machine, or with `in_memory` one of its own.
    """

    leads_all = True

    def __init__(
        self,
        config: BrokerConfig | Mapping[str, Any] | None = None,
        *,
        files: Files | None = None,
        clock: Clock | None = None,
        **fields: Any,
    ) -> None:
        self.config = BrokerConfig.of(config, fields)
        self._files = MemoryFiles() if files is None and self.config.in_memory else files
        self._clock = clock
        self._thread: BrokerThread | None = None
        self._changing = threading.Lock()

    @classmethod
    def in_memory(cls, **fields: Any) -> Self:
        """A broker on a free port with nothing on a disk; `fields` as of `BrokerConfig`."""
        return cls(**{"in_memory": True, "port": 0, **fields})

    # ---- what a back end does ----

    @property
    def address(self) -> str:
        """`host:port` to dial from this machine. Raises Closed while it is stopped."""
        host, port = self._place()
        return format_address(host, port)

    @property
    def inner(self) -> tuple[str, ClientSecurity | None]:
        """What this process dials, and how it makes itself known. Raises Closed."""
        access = None if self._thread is None else self._thread.inner
        if access is None:
            return self.address, ClientSecurity()
        security = ClientSecurity(
            security_protocol="SASL_PLAINTEXT", sasl_mechanism="SCRAM-SHA-256",
            sasl_username=INNER_USER, sasl_password=access.password,
        )  # fmt: skip
        return format_address(access.host, access.port), security

    @property
    def is_running(self) -> bool:
        """Whether it was started and neither stopped nor failed."""
        thread = self._thread
        return thread is not None and thread.is_running

    @property
    def is_controller(self) -> bool:
        """Whether it runs: a lone broker is its own controller."""
        return self.is_running

    def start(self, on_failed: Callable[[SummitError], None] | None = None) -> None:
        """Recover what is on the disk and listen; returns when clients can connect.

        Args:
            on_failed: Called on the broker's thread when a failing disk stops it.
        Raises: Conflict("broker.running"); Conflict("disk.locked") when another broker has the
            data directory; Conflict("web.port_in_use"); Corrupt; OSError.
        """
        with self._changing:
            if self._thread is not None:
                raise Conflict("broker.running")
            thread = BrokerThread(
                self.config.broker_settings(),
                files=self._files,
                clock=self._clock,
                on_failed=on_failed,
            )
            thread.start()
            self._thread = thread

    def stop(self) -> None:
        """Stop listening, make durable what was taken, end. Nothing happens if it is stopped."""
        with self._changing:
            thread, self._thread = self._thread, None
            if thread is not None:
                thread.stop()

    def metrics(self) -> StreamMetrics:
        """The figures of this moment; all 0 while it is stopped."""
        thread = self._thread
        if thread is None or not thread.is_running:
            return StreamMetrics()
        try:
            return stream_metrics(thread.metrics())
        except Closed:  # it was stopped meanwhile
            return StreamMetrics()

    def backup(self, directory: str) -> BackupMade:
        """Copy all that the broker holds to a directory that is empty or absent; it serves on.

        The copy is of one moment: whole transactions, and no group's offset ahead of the records.

        Raises: Conflict("backup.refused" | "backup.target_in_use"); Unavailable("disk.full");
            Closed("broker.not_running") while it is stopped, or when it is meanwhile.
        """
        if self.config.in_memory:
            reason = "the broker is in memory, and what it holds is meant to be gone with it"
            raise Conflict("backup.refused", reason=reason)
        thread = self._thread
        if thread is None:
            raise Closed("broker.not_running")
        made = thread.backup(directory)
        return BackupMade(directory, made.taken_ms, len(made.files), made.size_bytes)

    # ---- beyond that ----

    @property
    def broker_id(self) -> int:
        """The id that clients see."""
        return self.config.broker_id

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _place(self) -> tuple[str, int]:
        """Where this process reaches it: a wildcard address cannot be dialled."""
        thread = self._thread
        if thread is None:
            raise Closed("broker.not_running")
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
        return here.get(thread.host, thread.host), thread.port
