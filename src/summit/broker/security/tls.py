"""TLS of the broker's listeners: its context, and who a client's certificate says it is."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from typing import Any, Final

from summit.base.errors import Invalid
from summit.base.logs import get_logger
from summit.broker.security.settings import SecuritySettings

SHUTDOWN_TIMEOUT_S: Final = 2.0

_SHORT_NAMES: Final = {
    "commonName": "CN", "countryName": "C", "stateOrProvinceName": "ST", "localityName": "L",
    "organizationName": "O", "organizationalUnitName": "OU", "streetAddress": "STREET",
    "domainComponent": "DC", "userId": "UID",
}  # fmt: skip
_ESCAPED: Final = frozenset(',+"\\<>;')

_log = get_logger(__name__)


class ServerTls:
    """The context of all TLS listeners; new connections use files that changed meanwhile.

    Raises: Invalid("security.certificate") when the files are of no use.
    """

    def __init__(self, settings: SecuritySettings) -> None:
        self._settings = settings
        self._stamp = self._stamps()
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        verify = {"requested": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
        self.context.verify_mode = verify.get(settings.ssl_client_auth, ssl.CERT_NONE)
        self._load()

    def look(self) -> None:
        """Take certificates that changed. What cannot be used is logged; the old ones hold on."""
        stamp = self._stamps()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._load()
        except Invalid as error:
            _log.error("tls.not_reloaded", error=str(error))
        else:
            _log.info("tls.reloaded")

    def _load(self) -> None:
        settings = self._settings
        assert settings.ssl_certfile is not None
        password = settings.ssl_key_password or ""  # never asked for on a terminal
        try:
            self.context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, password)
            if settings.ssl_cafile:
                self.context.load_verify_locations(settings.ssl_cafile)
        except (OSError, ssl.SSLError) as error:
            raise Invalid("security.certificate", reason=str(error)) from error

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        settings = self._settings
        stamps = []
        for path in (settings.ssl_certfile, settings.ssl_keyfile, settings.ssl_cafile):
            try:
                found = os.stat(path) if path else None
            except OSError:
                found = None
            stamps.append((found.st_mtime_ns, found.st_ino) if found else (0, 0))
        return tuple(stamps)


def distinguished_name(subject: Iterable[Iterable[tuple[str, str]]]) -> str:
    """A certificate's subject, the narrowest part first, as RFC 2253 and Kafka write it.

    >>> distinguished_name(((("organizationName", "Example, Inc."),), (("commonName", "alice"),)))
    'CN=alice,O=Example\\\\, Inc.'
    """
    parts = [
        "+".join(f"{_SHORT_NAMES.get(name, name)}={_escaped(value)}" for name, value in names)
        for names in subject
    ]
    return ",".join(reversed(parts))


def principal_of(certificate: dict[str, Any] | None) -> str | None:
    """The principal that a client's certificate stands for; None without one."""
    if not certificate or not certificate.get("subject"):
        return None
    return "User:" + distinguished_name(certificate["subject"])


def _escaped(value: str) -> str:
    text = "".join(f"\\{char}" if char in _ESCAPED else char for char in value)
    if text.startswith((" ", "#")):
        text = "\\" + text
    return text[:-1] + "\\ " if text.endswith(" ") and len(value) > 1 else text
