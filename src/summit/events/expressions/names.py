"""What generated code is made with: names bound to objects, and the layout of events."""

from __future__ import annotations

from typing import Any, Final, Protocol

from summit.events.expressions.ir import Path, StepAggregate, StepField

# All that generated code may call of the language itself.
_BUILTINS: Final = {
    kind.__name__: kind for kind in (type, str, bool, int, float, list, dict, tuple)
}


class Names:
    """The names that one generated module uses, and the objects bound to them."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = dict(_BUILTINS)
        self._by_id: dict[int, str] = {}
        self._count = 0

    def bind(self, value: object, hint: str = "k") -> str:
        """A name that stands for `value` in the generated code; the same object, the same name."""
        name = self._by_id.get(id(value))
        if name is None:
            self._count += 1
            name = f"{hint}_{self._count}"
            self._by_id[id(value)] = name
            self.bound[name] = value  # also keeps it alive, so that its id stays its own
        return name

    def fresh(self) -> str:
        """A new local name for an assignment expression."""
        self._count += 1
        return f"v_{self._count}"

    def define(self, source: str, name: str) -> Any:
        """Run a generated definition with the bound names; gives the function called `name`."""
        scope = dict(self.bound)
        scope["__builtins__"] = {}
        # The source consists of our own fragments and generated names; see the module's text.
        exec(compile(source, f"<summit {name}>", "exec"), scope)  # noqa: S102
        return scope[name]


class Layout(Protocol):
    """How generated code reads the event under test (`e`) and the run so far (`r`)."""

    def field_code(self, path: Path, names: Names) -> str:
        """A Python expression over `e` that gives the field's value, None when null."""
        ...

    def reference_code(self, node: StepField | StepAggregate, names: Names) -> str:
        """A Python expression over `r` that gives the value of a step reference, or None."""
        ...
