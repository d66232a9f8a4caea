"""The transaction coordinator: a state machine without I/O, its stored form, and its loop side."""
