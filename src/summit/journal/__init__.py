"""The journal: definitions, progress and alerts, as the log says them; written and followed."""
