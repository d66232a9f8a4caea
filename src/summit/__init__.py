"""Summit: real-time stream processing and event intelligence in one install.

The public packages are `summit.stream_processing`, `summit.event_processing` and
`summit.stream_ingestion`; everything else is a room of the house (see ARCHITECTURE.md).
"""

__version__ = "0.1.0.dev0"
