"""`_summit.activations`: from which offset of each input on which definitions have acted. Pure.

Kept for ever, with the definitions, so that the past can be read again by the rules of its day. A
record is written in the transaction with which a worker goes by other rules, or reads other inputs:

    {"definitions": 17, "inputs": {"auth/0": 4711}}

says that from offset 4711 of that partition on, everything below offset 17 of the definitions acts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from summit.base.errors import Corrupt
from summit.journal.progress_record import Positions, moved_positions
from summit.keyed.captured import Move


class Activation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record; see the module.

    Attributes:
        timed: From there on `_summit.time` says what the clock decided.
    """

    definitions: int
    inputs: Positions
    timed: bool = False


class Phase(NamedTuple):
    """A stretch of every input that was read by the same definitions.

    Attributes:
        definitions: Everything below this offset acts.
        until: By input, where the next phase begins; inputs that are missing are read to their
            ends.
    """

    definitions: int
    until: Positions


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Activation)


def encode_activation(activation: Activation) -> bytes:
    """The value of a record."""
    return _ENCODER.encode(activation)


def decode_activation(value: bytes) -> Activation:
    """The activation of a value. Raises Corrupt("journal.activation")."""
    try:
        return _DECODER.decode(value)
    except msgspec.MsgspecError as error:
        raise Corrupt("journal.activation", reason=str(error)) from error


def moved_activation(value: bytes, move: Move, definitions: tuple[str, int]) -> bytes:
    """The same with the offsets that another cluster has.

    Args:
        definitions: Topic and partition of the definitions.
    Raises: as `decode_activation`.
    """
    activation = decode_activation(value)
    inputs = moved_positions(activation.inputs, move)
    at, _ = move(*definitions, activation.definitions, None)
    return encode_activation(Activation(at, inputs, activation.timed))


def phases_of(activations: Iterable[Activation], starts: Mapping[str, int]) -> list[Phase]:
    """The phases of a replay, first to last.

    Args:
        activations: In the order of the log.
        starts: Where each input is begun.
    Returns: None of a phase that is over before the starts; empty when nothing is known of these
        inputs.
    """
    begins: dict[int, Positions] = {}  # by definitions, from which offset on they act
    for activation in activations:
        known = begins.setdefault(activation.definitions, {})
        for name, offset in activation.inputs.items():
            if name in starts:
                known.setdefault(name, offset)
    # Who takes over an input tells what acts there already; only what changes something counts.
    acting = sorted(definitions for definitions, inputs in begins.items() if inputs)
    phases = []
    for number, definitions in enumerate(acting):
        until: Positions = {}
        for later in reversed(acting[number + 1 :]):
            for name, offset in begins[later].items():
                until[name] = min(offset, until.get(name, offset))
        is_over = set(until) == set(starts) and all(until[n] <= starts[n] for n in starts)
        if not is_over:
            phases.append(Phase(definitions, until))
    return phases
