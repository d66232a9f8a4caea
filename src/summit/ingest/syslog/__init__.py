"""Syslog over TCP, TLS and UDP: framing, connections, messages into events."""
