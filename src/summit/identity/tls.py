"""TLS of what listens: certificate, key, and whose certificates clients must, or may, show."""

from __future__ import annotations

import ssl

from summit.base.config import Config
from summit.base.errors import Invalid


def load_key(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    """Load a certificate and its key. An encrypted key is an error: nobody is asked for a password.

    Raises: OSError, of which SSLError is one.
    """
    context.load_cert_chain(cert_file, key_file, password=lambda: "")


class TlsOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files in PEM form.

    Attributes:
        cert_file: The certificate, with those between it and its root.
        key_file: Its private key, not encrypted; None where it stands in `cert_file`.
        client_ca_file: Clients must show a certificate of one of these authorities.
    """

    cert_file: str
    key_file: str | None = None
    client_ca_file: str | None = None

    def check(self) -> None:
        if not self.cert_file:
            raise Invalid(
                "config.invalid", reason="certFile must not be empty", pointer="/certFile"
            )

    @property
    def files(self) -> list[str]:
        """The files that are named."""
        named = (self.cert_file, self.key_file, self.client_ca_file)
        return [name for name in named if name is not None]

    def server_context(self, *, ask_only: bool = False) -> ssl.SSLContext:
        """A context for TLS 1.2 and newer.

        Args:
            ask_only: A client may show no certificate; one that it shows must hold all the same.
        Raises: Invalid for files that cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            load_key(context, self.cert_file, self.key_file)
            if self.client_ca_file is not None:
                context.load_verify_locations(self.client_ca_file)
                context.verify_mode = ssl.CERT_OPTIONAL if ask_only else ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            reason = f"the TLS files cannot be used: {error}"
            raise Invalid("config.invalid", reason=reason, pointer="/tls") from error
        return context
