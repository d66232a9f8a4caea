"""Alerts: what one holds, its id, its texts, and a view of many. No I/O."""
