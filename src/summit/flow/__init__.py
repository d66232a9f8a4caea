"""The runtime: topics in, matches, alerts out. `worker.py` runs it; `engine.py` is its core."""
