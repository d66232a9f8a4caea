"""When a worker goes by other rules: all workers at one cut through all inputs. Pure.

Rules change while several workers read. Which rules see an event is settled by who reads its input:
those before the reader's mark go by the rules of before, in whatever key group they are; those
behind it by the others. So that it makes no difference how many workers there are:

    marked   Who has read newer definitions reads no further, and tells how far it is with their
             offset (`Frame.definitions`).
    ready    Who has been told that by the readers of all inputs has seen everything that was
             before it. It lets fire what is due, commits, and tells so (`Frame.ready`).
    acting   Who knows that all key groups are ready goes by the new rules and reads on. Its frames
             say so (`Frame.acting`), which is proof for who reads them that all were ready.

`_summit.state` says of each key group by which definitions its state was made and for which it is
ready; so whoever takes over goes on in the middle of it. Offsets are those of the definitions' log:
everything below has acted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from summit.flow.runtime import Runtime
from summit.journal.exchange_log import Frame
from summit.journal.state_log import Acts
from summit.keyed.keygroups import KEY_GROUPS


class Switch:
    """Which definitions a worker goes by, and when it may go by newer ones.

    Args:
        runtime: What is held, and what was told to it.

    Attributes:
        acting: Those of now; negative before the first.
        target: The newest that were read and that change something.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ready: dict[int, tuple[int, int]] = {}  # for which; by which they go themselves
        self._is_ready = True
        self._saved = Acts(-1, -1)
        self.acting = -1
        self.target = -1

    @property
    def is_open(self) -> bool:
        """Whether rules are being changed: no input may be read, and time stands still."""
        return self.target > self.acting

    def acts(self, offset: int) -> None:
        """These definitions act from now on."""
        self.acting = offset
        self.target = max(self.target, offset)
        self._is_ready = self.target == offset
        self._saved = Acts(offset, offset)
        self._tell()

    def aim(self, offset: int) -> None:
        """Newer definitions were read, which change something."""
        self.target = offset
        self._is_ready = False
        self._saved = Acts(self._saved.acting, self._saved.acting)
        self._tell()

    def takes_up(self) -> None:
        """More key groups are held, which may have to see something before they are ready."""
        if self.is_open:
            self.aim(self.target)

    def hear(self, frame: Frame) -> None:
        """Somebody tells for what its key groups are ready."""
        for group in frame.ready:
            self._ready[group] = (frame.definitions, frame.acting)

    def forget(self) -> None:
        """Nothing is held, and nothing known of others."""
        self._ready.clear()
        self.acting = self.target = -1

    def makes_ready(self) -> bool:
        """Whether the held key groups have just become ready; that is to be told and committed."""
        if not self.is_open or self._is_ready or not self._runtime.is_marked(self.target):
            return False
        self._is_ready = True
        self._saved = Acts(self._saved.acting, self.target)
        self._tell()
        return True

    @property
    def may_act(self) -> bool:
        """Whether all key groups are ready for the target.

        Who goes by older definitions than here may have said so before it sees what came since.
        """
        if not (self.is_open and self._is_ready):
            return False
        others = set(range(KEY_GROUPS)) - self._runtime.held
        told = [self._ready.get(group, (-1, -1)) for group in others]
        return all(ready >= self.target and by >= self.acting for ready, by in told)

    def acted(self, offset: int) -> bool:
        """Whether the key groups of others are known to go by what stands at this offset."""
        others = set(range(KEY_GROUPS)) - self._runtime.held
        return not self.is_open and all(self._ready.get(g, (-1, -1))[1] > offset for g in others)

    def _tell(self) -> None:
        self._runtime.set_acts(self._saved, self.target, is_ready=self._is_ready)


def acting_of(groups: Iterable[int], known: Mapping[int, Acts], acting: int) -> int:
    """The definitions by which to go on with key groups that are taken up.

    Those that made the state of one of them have made that of all, or all were ready for them.
    Where nothing is saved none has acted: others may have sent events by older definitions than
    the newest, which these must not see.

    Args:
        known: What is saved of them.
        acting: The definitions that act here already; negative where nothing is held.
    """
    return max(acting, max((known[group].acting for group in groups if group in known), default=0))
