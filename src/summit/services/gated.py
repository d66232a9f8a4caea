"""A server of routes behind its gate: TLS that is read again when its files change, and shields."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Invalid
from summit.base.hosts import is_loopback
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.identity import KeyRing
from summit.identity.tls import TlsOptions, load_key
from summit.services.audit_trail import AuditTrail
from summit.services.gate import Gate
from summit.services.identities import Identities
from summit.services.security import SecuritySettings
from summit.web import Routes, Shield, WebServer, make_app

TLS_LOOK_S: Final = 5.0  # between two looks at the files of the certificate


class GatedServer:
    """Serves one table of routes to those whom it concerns.

    Args:
        name: Of the service, for the audit.
        ring: The API keys that hold.
        audit: Where changes and refusals are told; None = nowhere.
    Raises: Invalid: the admin key or the TLS files cannot be used.
    """

    def __init__(
        self, name: str, routes: Routes, security: SecuritySettings, host: str, port: int,
        *, ring: KeyRing, audit: AuditTrail | None, clock: Clock | None = None,
    ) -> None:  # fmt: skip
        clock = clock or SystemClock()
        asks = security.asks(host)
        self._identities = identities = Identities(security, ring, clock)
        gate = Gate(name, security, identities, audit, clock, asks=asks)
        routes.guard_by(gate.admit)
        self._tls_files = security.tls
        # A certificate is one way among others where there are others; without one it is no way in.
        self._tls = None if security.tls is None else security.tls.server_context(ask_only=True)
        app = Shield(
            gate.before(make_app(routes)), tls=self._tls is not None,
            cors_origins=security.cors_origins,
            hosts=security.allowed_hosts if is_loopback(host) and not asks else None,
        )  # fmt: skip
        self._web = WebServer(
            app, host, port, tls=self._tls, max_connections=security.max_connections,
            connections_per_address=security.connections_per_address, sockets=True,
        )  # fmt: skip
        self._tasks = Tasks()

    @property
    def url(self) -> str:
        """The address with its scheme, as clients write it."""
        return self._web.url

    async def start(self) -> None:
        """Listen; when this returns, connections are taken. Raises Conflict, Invalid."""
        await self._identities.open()
        await self._web.start()
        if self._tls is not None and self._tls_files is not None:
            self._tasks.spawn(_keep_fresh(self._tls, self._tls_files), "tls files")

    async def stop(self) -> None:
        """Take no more connections, let requests finish for a while, then cut the rest."""
        await self._tasks.cancel_all()
        await self._web.stop()
        await self._identities.close()


async def _keep_fresh(context: ssl.SSLContext, files: TlsOptions) -> None:
    """Use a new certificate for new connections when its files have changed."""
    before = _stamps(files)
    while True:
        await asyncio.sleep(TLS_LOOK_S)
        stamps = _stamps(files)
        if stamps == before:
            continue
        before = stamps
        try:
            files.server_context()  # whole, before anything of it counts
            load_key(context, files.cert_file, files.key_file)
            if files.client_ca_file is not None:
                context.load_verify_locations(files.client_ca_file)
        except (Invalid, OSError) as error:
            get_logger(__name__).error("tls.not_reloaded", error=str(error))
        else:
            get_logger(__name__).info("tls.reloaded", cert_file=files.cert_file)


def _stamps(files: TlsOptions) -> list[tuple[int, int] | None]:
    found: list[tuple[int, int] | None] = []
    for name in files.files:
        try:
            status = Path(name).stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_mtime_ns, status.st_size))
    return found
