"""Every built-in limit: its number, unit and reason. Rooms add theirs in their block."""

from __future__ import annotations

from typing import Final

# ---- base ----
LISTENER_QUEUE_MAX: Final = 10_000  # payloads an async listener may lag behind; then counted drops

# ---- records, log ----

# ---- protocol, broker ----

# ---- client ----

# ---- events, documents, cep ----

# ---- alerts, journal, flow ----

# ---- ingest, web, services ----
