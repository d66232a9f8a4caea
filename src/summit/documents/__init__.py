"""Documents: what users write in JSON or YAML, checked with pointers and lowered to plans."""
