"""Queries over streams: groups, windows, aggregates, sketches. Sans-I/O: no clock, no chance."""
