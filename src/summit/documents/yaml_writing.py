"""Plain values as YAML, so that YAML's readers and `parsing.py` find the same values again."""

from __future__ import annotations

from typing import Any

import yaml


def yaml_text(value: Any) -> str:
    """One document's text.

    >>> yaml_text({"id": "no", "tags": ["a"]})
    "id: 'no'\\ntags:\\n- a\\n"
    """
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100_000,
        default_flow_style=False,
    )  # fmt: skip
    return text.removesuffix("...\n")


class _Dumper(yaml.SafeDumper):
    """Writes what comes twice twice: people read it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # What YAML takes as the end of a line is lost in every style but the one with escapes.
    style = '"' if any(end in text for end in "\x85\u2028\u2029\ufeff") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
