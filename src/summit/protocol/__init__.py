"""The Kafka protocol as tables: messages, frames and error codes. No sockets, no clock.

Start at `apis.APIS` (every API we speak), `frames` (lengths and headers), `codes` (error codes);
`produce_fast` and `fetch_fast` are the hand-tuned hot path. This package re-exports nothing, so
that a caller pays only for what it imports.
"""
