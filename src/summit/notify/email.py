"""E-mail: a notice as a message to an SMTP server, on a thread of its own."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from summit.base.config import Config
from summit.base.errors import Invalid, Unavailable
from summit.notify.channel import Notice

_PAUSE_MS = 200


class EmailConfig(Config, frozen=True, kw_only=True):
    """An SMTP server and who is written to.

    Args:
        host: The server.
        port: 587 with STARTTLS, 465 with TLS from the start, 25 without.
        security: `starttls`, `tls` or `none`.
        username: For the login, with `password`; never without TLS, unless the server is this
            machine.
        sender: Address it comes from.
        to: Addresses.
        timeout_ms: For each step with the server.
        retries: Further attempts where the server is away or says "later" (4xx).
    """

    host: str
    port: int = 587
    security: str = "starttls"
    username: str | None = None
    password: str | None = None
    sender: str
    to: list[str]
    timeout_ms: int = 10_000
    retries: int = 3

    def check(self) -> None:
        """Refuse what would send nothing, or a password in clear."""
        if self.security not in ("starttls", "tls", "none"):
            raise self._refused("security", "it is none of starttls, tls, none")
        if (self.username is None) != (self.password is None):
            raise self._refused("username", "username and password go together")
        local = self.host in ("localhost", "127.0.0.1", "::1")
        if self.username is not None and self.security == "none" and not local:
            raise self._refused("security", "a password would travel in clear")
        if not self.to:
            raise self._refused("to", "nobody is named")
        for address in (self.sender, *self.to):
            if "@" not in address or any(sign in address for sign in "\r\n"):
                raise self._refused("to", f"'{address}' is no address")
        if not 1 <= self.port <= 65_535:
            raise self._refused("port", "it is not in 1 to 65,535")
        if self.timeout_ms < 1 or not 0 <= self.retries <= 100:
            raise self._refused("retries", "timeoutMs is at least 1, retries in 0 to 100")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(host={self.host!r}, to={self.to!r})"  # no secrets in logs

    def _refused(self, field: str, reason: str) -> Invalid:
        return Invalid(
            "config.invalid", reason=f"{type(self).__name__}.{field}: {reason}", pointer=f"/{field}"
        )


class Email:
    """A channel of e-mail; whom the policy names with an address gets it too."""

    def __init__(self, config: EmailConfig) -> None:
        self._config = config

    async def deliver(self, notice: Notice) -> None:
        """Send it. Raises: Unavailable; Invalid("notify.refused")."""
        message = self._message(notice)
        for attempt in range(self._config.retries + 1):
            if attempt:
                await asyncio.sleep(_PAUSE_MS * 2 ** min(attempt - 1, 5) / 1000)
            reason = await asyncio.to_thread(self._send, message)
            if reason is None:
                return
        raise Unavailable("notify.unavailable", reason=reason)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _message(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = " ".join(notice.subject.split())  # no line of it becomes a header
        message["From"] = self._config.sender
        more = [user for user in notice.users if "@" in user and user.isprintable()]
        message["To"] = ", ".join(dict.fromkeys([*self._config.to, *more]))
        message["Date"] = formatdate(notice.at / 1000)
        message["Message-ID"] = make_msgid(domain="summit.local")
        message["X-Summit-Notice"] = notice.id
        message.set_content(notice.text)
        return message

    def _send(self, message: EmailMessage) -> str | None:
        """Why it is to be tried again; None when the server has taken it."""
        config = self._config
        timeout_s = config.timeout_ms / 1000
        try:
            if config.security == "tls":
                context = ssl.create_default_context()
                server: smtplib.SMTP = smtplib.SMTP_SSL(
                    config.host, config.port, timeout=timeout_s, context=context
                )
            else:
                server = smtplib.SMTP(config.host, config.port, timeout=timeout_s)
            with server:
                if config.security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if config.username is not None and config.password is not None:
                    server.login(config.username, config.password)
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            raise Invalid("notify.refused", reason=f"recipients {error.recipients}") from error
        except smtplib.SMTPResponseException as error:
            reason = f"{error.smtp_code} {error.smtp_error!r}"
            if error.smtp_code >= 500:
                raise Invalid("notify.refused", reason=reason) from error
            return reason
        except (OSError, smtplib.SMTPException) as error:
            return str(error) or type(error).__name__
        return None
