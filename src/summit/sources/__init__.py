"""Where enrichments get their rows: files, databases, topics, services, functions."""
