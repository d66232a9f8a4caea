"""Configuration of an outgoing HTTP client: where, as whom, and how long."""

from __future__ import annotations

import ssl
from base64 import b64encode
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from summit.base.config import Config
from summit.base.errors import Invalid

_MS_MAX = 3_600_000


class HttpConfig(Config, frozen=True, kw_only=True):
    """Where an HTTP service is and how to talk to it.

    Args:
        url: Base address `http[s]://[user:password@]host[:port][/path]`; several = fail-over. A
            text is split at commas.
        username: For basic authentication, with `password`.
        bearer_token: For bearer authentication instead.
        ca_file: PEM file of the authorities to trust; None = the system's.
        cert_file: PEM file of the client's own certificate, with `key_file` unless that is in it.
        connect_timeout_ms: How long a connection may take to come about.
        request_timeout_ms: How long one attempt may take, connection and body included.
        retries: Rounds over all addresses after the first one.
        retry_backoff_ms: The first pause between two rounds; it doubles up to five seconds.
        response_bytes_max: Largest body that is read.
        allow_internal_addresses: Whether hosts of this machine and of private networks may be
            asked.
    """

    url: list[str] | str
    username: str | None = None
    password: str | None = None
    bearer_token: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    connect_timeout_ms: int = 3_000
    request_timeout_ms: int = 10_000
    retries: int = 3
    retry_backoff_ms: int = 100
    response_bytes_max: int = 16 << 20
    allow_internal_addresses: bool = True

    def check(self) -> None:
        if not self.addresses:
            raise self._refused("url", "it names no address")
        for name in ("connect_timeout_ms", "request_timeout_ms"):
            if not 1 <= getattr(self, name) <= _MS_MAX:
                raise self._refused(name, f"it is not in 1 to {_MS_MAX:,}")
        if not 0 <= self.retries <= 100:
            raise self._refused("retries", "it is not in 0 to 100")
        if not 1 <= self.retry_backoff_ms <= 60_000:
            raise self._refused("retry_backoff_ms", "it is not in 1 to 60,000")
        if self.response_bytes_max < 1:
            raise self._refused("response_bytes_max", "it is less than 1")
        if (self.username is None) != (self.password is None):
            raise self._refused("username", "username and password go together")
        if self.bearer_token is not None and self.credentials is not None:
            raise self._refused("bearer_token", "give either it or a user with a password")
        if self.key_file is not None and self.cert_file is None:
            raise self._refused("key_file", "it needs certFile")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(url={self.addresses!r})"  # no secrets in logs

    @property
    def addresses(self) -> list[str]:
        """The base addresses, without credentials and without a slash at the end."""
        return [
            parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
            for parts in self._parts()
        ]

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password: as configured, else of the first address that has them."""
        if self.username is not None:
            return self.username, self.password or ""
        for parts in self._parts():
            if parts.username is not None:
                return unquote(parts.username), unquote(parts.password or "")
        return None

    @property
    def authorization(self) -> str | None:
        """The value of the header of that name."""
        if self.bearer_token is not None:
            return f"Bearer {self.bearer_token}"
        if self.credentials is None:
            return None
        return "Basic " + b64encode(":".join(self.credentials).encode()).decode()

    def tls(self) -> ssl.SSLContext | None:
        """How to trust and be trusted; None = as the system does. Raises Invalid."""
        if self.ca_file is None and self.cert_file is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise self._refused("ca_file", f"its files cannot be used: {error}") from error
        return context

    def _parts(self) -> list[SplitResult]:
        texts = self.url.split(",") if isinstance(self.url, str) else self.url
        found = []
        for text in texts:
            if not text.strip():
                continue
            try:
                parts = urlsplit(text.strip())
                is_good = parts.scheme in ("http", "https") and parts.hostname and not parts.query
                _ = parts.port
            except ValueError:
                is_good = False
            if not is_good or parts.fragment:
                raise self._refused("url", "it is not http[s]://host[:port][/path]")
            found.append(parts)
        return found

    def _refused(self, field: str, reason: str) -> Invalid:
        wire = next(f.encode_name for f in msgspec.structs.fields(self) if f.name == field)
        return Invalid(
            "config.invalid",
            reason=f"{type(self).__name__}.{wire}: {reason}",
            pointer=f"/{wire}",
        )
