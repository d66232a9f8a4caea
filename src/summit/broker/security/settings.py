"""The part of a broker's settings that says who may reach it and how: names as in Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.base.hosts import is_loopback
from summit.broker.security.listeners import (
    INNER,
    Listener,
    names_of,
    parse_listener,
    parse_protocols,
    protocol_of,
    wrong,
)
from summit.protocol import scram
from summit.protocol.oauthbearer import OAUTHBEARER

if TYPE_CHECKING:
    from summit.identity.tokens import JwtOptions

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Names = tuple[str, ...] | str

MECHANISMS: Final = (scram.SCRAM_SHA_256, scram.SCRAM_SHA_512, scram.PLAIN, OAUTHBEARER)
_BY_PASSWORD: Final = MECHANISMS[:3]


class SecuritySettings(Config, frozen=True, kw_only=True):
    """Listeners, TLS and SASL.

    Attributes:
        security_protocol: What is spoken at `host` and `port` where no `listeners` are given.
        listeners: `NAME://host:port`, several with commas; they replace `host` and `port`.
        advertised_listeners: What clients are told to dial, by the same names.
        listener_security_protocol_map: `NAME:PROTOCOL` for names that are no protocol.
        ssl_certfile, ssl_keyfile, ssl_key_password: The broker's certificate (with its chain) and
            key, PEM. Files that change are read again within a minute.
        ssl_cafile: Whose client certificates are believed, PEM.
        ssl_client_auth: Whether clients must show a certificate (`required`), may, or are not
            asked. Who shows one is `User:` and its subject, as `User:CN=alice,O=Example`.
        sasl_enabled_mechanisms: Empty = both kinds of SCRAM, and where there is TLS PLAIN, and
            OAUTHBEARER if keys are named.
        sasl_oauthbearer_jwks_endpoint_url: Where the keys are that tokens are signed with:
            `https://…`, or `file:PATH`.
        sasl_oauthbearer_expected_issuer, sasl_oauthbearer_expected_audience: What tokens must say.
        sasl_oauthbearer_sub_claim_name: The claim that names the user.
        sasl_oauthbearer_clock_skew_seconds: How far the issuer's clock may be from ours.
        connections_max_reauth_ms: How long an authentication by SASL holds; 0 = as long as the
            connection.
        initial_user, initial_password: A user that the start makes, or gives this password, and
            that may do everything. Where there is a user already, use `summit user`.
        authorizer: `acl` = access control lists say what an authenticated client may do; nothing
            is allowed that they do not allow. `none` = everything.
        super_users: Principals that may do everything, with semicolons: `User:admin`. So may
            `initial_user`.
        inner_password: For this machine's own platform, which dials a listener of its own; without
            it one is made up.
        insecure: Whether it may listen beyond this machine without knowing who its clients are.
        sasl_max_receive_bytes: Longest request of who is not authenticated yet.
        authentication_timeout_ms: How long who is not authenticated may stay.
        strangers_max: How many connections may be unauthenticated at a time.
    """

    host: str = "127.0.0.1"
    port: int = 9092
    advertised_host: str | None = None
    advertised_port: int | None = None
    security_protocol: Protocol = "PLAINTEXT"
    listeners: Names = ()
    advertised_listeners: Names = ()
    listener_security_protocol_map: Names = ()
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_key_password: str | None = None
    ssl_cafile: str | None = None
    ssl_client_auth: Literal["none", "requested", "required"] = "none"
    sasl_enabled_mechanisms: Names = ()
    sasl_oauthbearer_jwks_endpoint_url: str | None = None
    sasl_oauthbearer_expected_issuer: str = ""
    sasl_oauthbearer_expected_audience: str = ""
    sasl_oauthbearer_sub_claim_name: str = "sub"
    sasl_oauthbearer_clock_skew_seconds: int = 30
    connections_max_reauth_ms: int = 0
    initial_user: str | None = None
    initial_password: str | None = None
    authorizer: Literal["none", "acl"] = "none"
    super_users: Names = ()
    inner_password: str | None = None
    insecure: bool = False
    sasl_max_receive_bytes: int = 64 << 10
    authentication_timeout_ms: int = 15_000
    strangers_max: int = 1_000

    def all_listeners(self) -> list[Listener]:
        """Where it listens, in order. Raises Invalid("config.invalid")."""
        told = self._advertised()
        field = "listener_security_protocol_map"
        protocols = parse_protocols(self.listener_security_protocol_map, field)
        if not names_of(self.listeners):
            name: str = self.security_protocol
            host, port = told.pop(name, (self.advertised_host, self.advertised_port))
            found = [self._listener(name, name, (self.host, self.port), (host, port))]
        else:
            found = []
            for text in names_of(self.listeners):
                name, bound_host, bound_port = parse_listener(text, "listeners")
                protocol = protocol_of(name, protocols, "listeners")
                address = told.pop(name, (None, None))
                found.append(self._listener(name, protocol, (bound_host, bound_port), address))
        if told:
            raise wrong("advertised_listeners", f"{', '.join(told)} is not among the listeners")
        if any(each.name == INNER for each in found):
            raise wrong("listeners", f"{INNER} is the broker's own")
        if len({each.name for each in found}) < len(found):
            raise wrong("listeners", "each needs a name of its own")
        return found

    @property
    def is_secured(self) -> bool:
        """Whether any listener is more than plain text."""
        return any(each.protocol != "PLAINTEXT" for each in self.all_listeners())

    def check_security(self) -> None:
        """Refuse what types alone cannot. Raises Invalid("config.invalid")."""
        listeners = self.all_listeners()
        for each in (listener for listener in listeners if listener.is_tls):
            if not self.ssl_certfile:
                raise wrong("ssl_certfile", f"listener {each.name} needs a certificate")
        if self.ssl_client_auth != "none" and not self.ssl_cafile:
            raise wrong("ssl_cafile", "client certificates are believed by those named here")
        for name in names_of(self.sasl_enabled_mechanisms):
            if name not in MECHANISMS:
                raise wrong(
                    "sasl_enabled_mechanisms", f"'{name}' is not of {', '.join(MECHANISMS)}"
                )
        if self.token_options() is None and any(
            OAUTHBEARER in each.mechanisms for each in listeners
        ):
            field = "sasl_oauthbearer_jwks_endpoint_url"
            raise wrong(field, "OAUTHBEARER needs the keys that tokens are signed with")
        if (self.initial_user is None) != (self.initial_password is None):
            raise wrong("initial_user", "it needs initial_password, and the other way round")
        if self.initial_user == "" or self.initial_password == "":
            raise wrong("initial_user", "neither name nor password may be empty")
        for name in ("connections_max_reauth_ms", "sasl_max_receive_bytes", "strangers_max"):
            if getattr(self, name) < 0:
                raise wrong(name, "it may not be negative")
        if self.authentication_timeout_ms < 1_000:
            raise wrong("authentication_timeout_ms", "at least a second")

    def token_options(self) -> JwtOptions | None:
        """Whose tokens hold; None where none do. Raises Invalid("config.invalid")."""
        if not self.sasl_oauthbearer_jwks_endpoint_url:
            return None
        from summit.identity.tokens import JwtOptions  # most brokers take no tokens

        try:
            return JwtOptions(
                jwks=self.sasl_oauthbearer_jwks_endpoint_url,
                issuer=self.sasl_oauthbearer_expected_issuer,
                audience=self.sasl_oauthbearer_expected_audience,
                leeway_s=self.sasl_oauthbearer_clock_skew_seconds,
            )
        except Invalid as error:
            raise wrong("sasl_oauthbearer_jwks_endpoint_url", str(error)) from error

    def exposed(self) -> Listener | None:
        """A listener that others than this machine may reach without saying who they are."""
        for each in self.all_listeners():
            if not each.authenticates and not is_loopback(each.host.lower()):
                return each
        return None

    def _listener(
        self,
        name: str,
        protocol: str,
        bound: tuple[str, int],
        told: tuple[str | None, int | None],
    ) -> Listener:
        mechanisms: tuple[str, ...] = ()
        if protocol.startswith("SASL_"):
            usual: tuple[str, ...] = MECHANISMS[:2]
            if protocol == "SASL_SSL":
                has_keys = self.sasl_oauthbearer_jwks_endpoint_url
                usual = MECHANISMS if has_keys else _BY_PASSWORD
            mechanisms = names_of(self.sasl_enabled_mechanisms) or usual
        demands = self.ssl_client_auth == "required" and protocol in ("SSL", "SASL_SSL")
        return Listener(name, protocol, *bound, *told, mechanisms, demands)

    def _advertised(self) -> dict[str, tuple[str | None, int | None]]:
        found: dict[str, tuple[str | None, int | None]] = {}
        for text in names_of(self.advertised_listeners):
            name, host, port = parse_listener(text, "advertised_listeners")
            if not host or not port or name in found:
                raise wrong("advertised_listeners", f"'{text}' cannot be dialled, or is told twice")
            found[name] = host, port
        return found
