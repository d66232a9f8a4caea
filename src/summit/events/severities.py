"""The five severities and their rank."""

from __future__ import annotations

from typing import Final

SEVERITIES: Final = ("info", "low", "medium", "high", "critical")  # by rank, from 0

# Logs write them in three ways; a look-up is cheaper than lowering each text.
SEVERITY_RANK: Final[dict[str, int]] = {
    spelling: rank
    for rank, name in enumerate(SEVERITIES)
    for spelling in (name, name.upper(), name.capitalize())
}


def severity_rank(value: object) -> int | None:
    """The rank of a severity's name, 0 (info) to 4 (critical), or None when it is none.

    >>> severity_rank("HIGH"), severity_rank("urgent")
    (3, None)
    """
    return SEVERITY_RANK.get(value) if type(value) is str else None
