"""A halt that the desk could not journal: a file beside the journal keeps it for the next start."""

from __future__ import annotations

from pathlib import Path

import msgspec

from kisnb.paths import write_private
from kisnb.trading.ports.commands import Halt, stronger

KEPT, KEPT_FLATTEN = "kept_halt.json", "kept_flatten"
LOST = "pulled while the disk was full; the reason could not be kept"


class KeptHalt:
    """The file of a kept halt. Several halts are merged into one.

    The merged halt has the strongest state ("halted" is stronger than "reducing"). It asks for a
    flatten if any of the halts does.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / KEPT
        self._flatten = folder / KEPT_FLATTEN
        """An empty file that means a flatten, because a full disk may still accept a file name."""
        self._wish: Halt | None = None
        """The kept halt, also while the file does not contain it yet. None: no halt is kept."""
        self._is_written = False

    def keep(self, wish: Halt) -> bool:
        """Keep a halt in memory and in the file. Return whether the file has it."""
        self._wish = wish if self._wish is None else _both(self._wish, wish)
        self._is_written = False
        return self.write()

    def write(self) -> bool:
        """Write the halt from memory to the file, if there is one.

        Return whether the file has it.
        """
        if self._wish is None or self._is_written:
            return True
        body = msgspec.json.encode(self._wish).decode()
        try:
            write_private(self._path, body)
        except OSError:
            # A full disk often still has room for a file name. A halt without its reason is better
            # than none.
            return self._mark(self._wish)
        self._is_written = True
        return True

    def _mark(self, wish: Halt) -> bool:
        """Make empty files, for which a full disk often has room. Return whether that worked."""
        try:
            self._path.touch(0o600)
            if wish.flatten:
                self._flatten.touch(0o600)
        except OSError:
            return False
        return True

    def read(self) -> Halt | None:
        """Return the halt that an earlier desk process kept. None when it kept none.

        A file that cannot be read counts as a halt.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Halt)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError):
            # In doubt the desk is halted, because a halt can be lifted but an order cannot be
            # undone.
            return Halt(LOST, flatten=self._flatten.exists())

    def forget(self) -> None:
        """Delete the kept halt, because the journal contains it now."""
        self._wish, self._is_written = None, False
        for path in (self._path, self._flatten):
            path.unlink(missing_ok=True)


def _both(old: Halt, new: Halt) -> Halt:
    # The reason is the newest one. The state is never weakened: a pull never makes an earlier pull
    # weaker.
    return Halt(new.reason, stronger(old.state, new.state), old.flatten or new.flatten)
