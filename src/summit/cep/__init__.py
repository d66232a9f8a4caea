"""Patterns become automata; batches of events go in, matches come out. Sans-I/O."""
