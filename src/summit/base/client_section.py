"""The fields of `[client]` that say how a client makes itself known to brokers.

Commands have more of their own (`cli/profiles.py`); a connection takes these alone.
"""

from __future__ import annotations

from typing import Final, Literal

from summit.base.config import Config
from summit.base.errors import Invalid

# Fields of commands, which share the section: no part of a connection.
OF_COMMANDS: Final = frozenset(
    ("bootstrap_servers", "streaming_url", "correlation_url", "token", "ca_file", "output")
)


class SecurityFields(Config, frozen=True, kw_only=True):
    """What brokers want to know, and whom of them to believe.

    Args:
        security_protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, as the listener has it.
        ssl_cafile: Whose certificates to believe, PEM; without it those of the system.
        ssl_certfile, ssl_keyfile, ssl_key_password: A certificate to show.
        ssl_check_hostname: Whether the broker's certificate must be for the name that is dialled.
        sasl_mechanism: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN.
        sasl_username, sasl_password: Who this is; the password may name a secret: `${NAME}`,
            `file:PATH`.
    """

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_key_password: str | None = None
    ssl_check_hostname: bool = True
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: str | None = None

    @property
    def is_sasl(self) -> bool:
        """Whether there is a user name and a password."""
        return self.security_protocol.startswith("SASL_")

    def check(self) -> None:
        if self.is_sasl and not (self.sasl_username and self.sasl_password):
            raise Invalid(
                "config.invalid",
                reason=f"{self.security_protocol} needs sasl_username and sasl_password",
                pointer="/saslUsername",
            )
