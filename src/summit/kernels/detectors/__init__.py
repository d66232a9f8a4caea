"""Detectors of anomalies, one a file: of a series, and value by value with a bounded state."""
