"""Every built-in limit: its number, unit and reason. Rooms add theirs in their block."""

from __future__ import annotations

from typing import Final

# ---- base ----
LISTENER_QUEUE_MAX: Final = 10_000  # payloads an async listener may lag behind; then counted drops

# ---- records, log ----
BATCH_UNFOLDED_BYTES_MAX: Final = 64 << 20  # what one compressed batch may unfold to; stops bombs

# ---- protocol, broker ----
FRAME_BYTES_MAX: Final = 104_857_600  # bytes of one Produce request; Kafka's own default
REQUEST_BYTES_MAX: Final = 16_777_216  # bytes of any other request; a decoded one takes ~40x that

# ---- client ----

# ---- events, documents, cep ----

# ---- alerts, journal, flow ----
ALERT_VIEW_COUNT_MAX: Final = 100_000  # alerts in the view of a service; older ones leave it
ALERT_VIEW_BYTES_MAX: Final = 256 << 20  # bytes of their JSON; keeps the view inside a small node
ALERT_PAGE_MAX: Final = 10_000  # alerts of one query's page
ALERT_EVENTS_MAX: Final = 100  # events an alert holds whole; half from each end
ALERT_EVENTS_BYTES_MAX: Final = 256 << 10  # their JSON; with evidence well below a record's 1 MiB
ALERT_EVIDENCE_MAX: Final = 2_000  # evidence entries of an alert, about 150 bytes each
ALERT_TEXT_VALUE_CHARS_MAX: Final = 200  # characters of one value inside a title or description

# ---- ingest, web, services ----
HTTP_BODY_BYTES_MAX: Final = 10 * 1024 * 1024  # a request body; larger ones belong in batches
HTTP_DRAIN_MS: Final = 10_000  # how long a stopping server lets requests finish
HTTP_KEEP_ALIVE_S: Final = 30  # how long an idle connection stays open
