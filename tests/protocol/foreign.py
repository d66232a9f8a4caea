"""kafka-python's protocol package, imported without its deprecation warnings on Python 3.11."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

# Its schemas do not have these; kio has them.
LACKS = frozenset({"ConsumerGroupHeartbeat", "ConsumerGroupDescribe"})

MODULES = (
    "kafka.protocol.producer",
    "kafka.protocol.consumer",
    "kafka.protocol.metadata",
    "kafka.protocol.admin",
    "kafka.protocol.sasl",
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    _modules = [importlib.import_module(name) for name in MODULES]
    from kafka.protocol.schemas import load_json


def schema_of(name: str) -> dict[str, Any]:
    """The message schema of that name, such as "FetchRequest"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        schema: dict[str, Any] = load_json(name)
    return schema


def foreign_class(name: str) -> Any:
    """kafka-python's message class of that name."""
    for module in _modules:
        if hasattr(module, name):
            return getattr(module, name)
    raise LookupError(name)
