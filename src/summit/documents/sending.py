"""What actions say about where something is sent: topics, webhooks, secrets."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from summit.documents.section import Section

_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)
_SECRET: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|file:.+", re.ASCII)


def is_closed_topic(topic: str) -> bool:
    """Whether only the system writes to a topic."""
    return topic.startswith("_") or topic.endswith(".dlq") or topic in ("alerts", "correlations")


def read_output_topic(section: Section, *, required: bool = False) -> str | None:
    """The topic to which something is written."""
    topic = section.text("topic", required=required)
    if topic is None:
        return None
    if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        section.note("topic", f"'{topic[:80]}' is no name of a topic")
    elif is_closed_topic(topic):
        text = (
            f"'{topic}' is not open to actions: internal topics, dead letters, alerts, correlations"
        )
        section.note("topic", text)
    else:
        return topic
    return None


def read_url(section: Section, name: str) -> str | None:
    """An address that is called over HTTP."""
    url = section.text(name)
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        section.note(name, "must be an address such as https://host/path")
    elif parts.username is not None or parts.password is not None:
        section.note(name, "must not hold a user or a password; calls are signed with 'secret'")
    else:
        return url
    return None


def read_secret(section: Section, name: str) -> str | None:
    """A reference to a secret: no document holds one itself."""
    text = section.text(name)
    if text is None:
        return None
    if not _SECRET.fullmatch(text):
        section.note(name, "must be ${NAME} (of the environment) or file:PATH, never the secret")
        return None
    return text
