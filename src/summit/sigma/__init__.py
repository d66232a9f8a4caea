"""Sigma: rules and correlation rules of that format as our documents (extra `sigma`, pySigma)."""
