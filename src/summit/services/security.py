"""How services ask who somebody is: the section `[security]`, `SUMMIT_SECURITY__*`, the admin key.

On the loopback address nobody is asked, unless something here says by what they could be. On any
other address everybody is, and where nothing says by what, a service refuses to start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from summit.base.config import Config, environment, resolve
from summit.base.config_files import file_settings
from summit.base.errors import Invalid
from summit.base.hosts import is_loopback
from summit.base.secrets import ADMIN_KEY, ADMIN_KEY_FILE, read_admin_key
from summit.identity.certificates import CertificateRule
from summit.identity.claims import IssuerOptions
from summit.identity.tls import TlsOptions

SECTION: Final = "security"
ADMIN_KEY_CHARS_MIN: Final = 32
_TODO: Final = (
    "set SUMMIT_ADMIN_KEY (or SUMMIT_ADMIN_KEY_FILE) and make keys with it, or set "
    "SUMMIT_SECURITY__AUTHENTICATION=required where keys were made already ('summit key create'); "
    "--insecure lets everybody in"
)


class SecuritySettings(Config, frozen=True, kw_only=True):
    """Who is asked, by what, and how much anybody may ask.

    Attributes:
        authentication: `required`: everybody is asked, on loopback too; `none`: nobody; `auto`:
            everybody where others reach the address or something below says by what.
        insecure: Listen where others reach it without asking anybody.
        admin_key: A reference, `${NAME}` or `file:PATH`, to a key of the role admin.
        jwt: Whose tokens hold, and what their bearers may do; of the extra `jwt`.
        certificates: Whose client certificates do what; with `tls.clientCaFile`.
        tls: Certificate and key of the services; None = plain HTTP.
        rate_limit: Requests a second of one principal or address; None = 500 where everybody is
            asked, else none.
        rate_burst: Requests that a quiet one may send at once; None = two seconds' worth.
        max_connections: Connections of one service.
        connections_per_address: Of them from one address that is not of this machine.
        cors_origins: Origins, `https://console.example`, whose pages may ask.
        allowed_hosts: Further names of this service, where nobody is asked.
        public_metrics: Whether /metrics is told to whoever asks.
    """

    authentication: Literal["auto", "required", "none"] = "auto"
    insecure: bool = False
    admin_key: str | None = None
    jwt: IssuerOptions | None = None
    certificates: list[CertificateRule] = msgspec.field(default_factory=list)
    tls: TlsOptions | None = None
    rate_limit: float | None = None
    rate_burst: int | None = None
    max_connections: int = 1_000
    connections_per_address: int = 250
    cors_origins: list[str] = msgspec.field(default_factory=list)
    allowed_hosts: list[str] = msgspec.field(default_factory=list)
    public_metrics: bool = False

    def check(self) -> None:
        """Refuse what types alone cannot."""
        if self.certificates and (self.tls is None or self.tls.client_ca_file is None):
            raise _wrong("certificates need tls.clientCaFile", "/certificates")
        if self.rate_limit is not None and not 0 < self.rate_limit < float("inf"):
            raise _wrong("rateLimit must be above 0", "/rateLimit")
        for name in ("max_connections", "connections_per_address"):
            if getattr(self, name) < 1:
                raise _wrong(f"{name} must be at least 1", f"/{name}")
        if self.rate_burst is not None and self.rate_burst < 1:
            raise _wrong("rateBurst must be at least 1", "/rateBurst")
        for origin in self.cors_origins:
            if origin == "*" or "://" not in origin or origin.endswith("/"):
                raise _wrong(f"'{origin}' is no origin such as https://host", "/corsOrigins")
        if self.authentication == "none" and self.has_means:
            raise _wrong(
                "authentication none and something to authenticate by exclude each other",
                "/authentication",
            )

    @property
    def has_means(self) -> bool:
        """Whether anything says here by what somebody could prove who they are."""
        has_ca = self.tls is not None and self.tls.client_ca_file is not None
        return self.admin_key is not None or self.jwt is not None or has_ca

    def asks(self, host: str) -> bool:
        """Whether everybody is asked who listens on this address."""
        if self.authentication != "auto":
            return self.authentication == "required"
        return self.has_means or not (is_loopback(host) or self.insecure)

    def check_bind(self, what: str, host: str) -> None:
        """Refuse to listen to everybody without asking who it is.

        Raises: Invalid("auth.open_bind").
        """
        if is_loopback(host) or self.insecure:
            return
        if self.authentication != "required" and not self.has_means:
            raise Invalid("auth.open_bind", what=what, host=host or "all addresses", todo=_TODO)

    def read_admin_key(self) -> bytes | None:
        """The admin key; None where there is none. Raises Invalid."""
        if self.admin_key is None:
            return None
        key = read_admin_key(self.admin_key)
        if len(key) < ADMIN_KEY_CHARS_MIN:
            raise _wrong(
                f"the admin key is shorter than {ADMIN_KEY_CHARS_MIN} characters", "/adminKey"
            )
        return key


def security_settings(*, insecure: bool = False) -> SecuritySettings:
    """The section of the file and of the environment; SUMMIT_ADMIN_KEY is the admin key's name."""
    env = environment()
    flags: dict[str, Any] = {"insecure": True} if insecure else {}
    if env.get(ADMIN_KEY_FILE):
        flags["admin_key"] = f"file:{Path(env[ADMIN_KEY_FILE])}"
    elif env.get(ADMIN_KEY):
        flags["admin_key"] = f"${{{ADMIN_KEY}}}"
    section = dict(file_settings(env).get(SECTION, {}))
    flat: dict[str, str] = dict(env)
    for block in ("tls", "jwt"):  # SUMMIT_SECURITY__TLS__CERT_FILE and the like
        values = dict(section.pop(block, {}))
        prefix = f"SUMMIT_{SECTION.upper()}__{block.upper()}__"
        for name in [name for name in flat if name.startswith(prefix)]:
            values[name.removeprefix(prefix).lower()] = _value(flat.pop(name))
        if values:
            flags[block] = values
    for name in ("cors_origins", "allowed_hosts"):
        listed = flat.pop(f"SUMMIT_{SECTION.upper()}__{name.upper()}", None)
        if listed is not None:
            flags[name] = [part.strip() for part in listed.split(",") if part.strip()]
    return resolve(SecuritySettings, SECTION, flags=flags, env=flat, file={SECTION: section})


def _value(text: str) -> Any:
    """A text of the environment; maps and lists are written as JSON."""
    if text[:1] in ("{", "["):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise _wrong(f"'{text[:80]}' is no JSON: {error}", "") from error
    return text


def _wrong(reason: str, pointer: str) -> Invalid:
    return Invalid("config.invalid", reason=f"[security] {reason}", pointer=pointer)
