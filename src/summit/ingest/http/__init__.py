"""Events that are posted: bodies, signatures, idempotency keys, answers."""
