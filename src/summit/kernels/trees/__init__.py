"""Detectors made of random trees, for one value or several at a time; chance by a seed."""
