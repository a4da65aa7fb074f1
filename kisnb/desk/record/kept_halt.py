"""A halt that the desk could not journal. A file beside the journal keeps it for the next start."""

from __future__ import annotations

from pathlib import Path

import msgspec

from kisnb.paths import write_private
from kisnb.trading.ports.commands import Halt, stronger

KEPT, KEPT_FLATTEN = "kept_halt.json", "kept_flatten"
LOST = "pulled while the disk was full; the reason could not be kept"


class KeptHalt:
    """The file of a kept halt. Of several halts the strongest wish is kept.

    Halted is stronger than reducing, and a flatten stays.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / KEPT
        self._flatten = folder / KEPT_FLATTEN
        """An empty file, for a disk that takes no more than names."""
        self._wish: Halt | None = None
        """The halt to carry out, whether or not the file contains it."""
        self._is_written = False

    def keep(self, wish: Halt) -> bool:
        """Keep the wish. Return whether it outlives this process."""
        self._wish = wish if self._wish is None else _both(self._wish, wish)
        self._is_written = False
        return self.write()

    def write(self) -> bool:
        """Write what is kept in memory, if anything is. Return whether it outlives this process."""
        if self._wish is None or self._is_written:
            return True
        body = msgspec.json.encode(self._wish).decode()
        try:
            write_private(self._path, body)
        except OSError:
            # A full disk has often still room for a name. A halt without its reason is better than
            # none.
            return self._mark(self._wish)
        self._is_written = True
        return True

    def _mark(self, wish: Halt) -> bool:
        """Make empty files, which a full disk often takes. Return whether they are there."""
        try:
            self._path.touch(0o600)
            if wish.flatten:
                self._flatten.touch(0o600)
        except OSError:
            return False
        return True

    def read(self) -> Halt | None:
        """Return the halt that an earlier desk process kept; None when there is none.

        A file that cannot be read counts as a halt.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Halt)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError):
            # In doubt the desk is halted: a halt too much can be lifted, an order too much cannot
            # be taken back.
            return Halt(LOST, flatten=self._flatten.exists())

    def forget(self) -> None:
        """Forget the halt, because the journal contains it now."""
        self._wish, self._is_written = None, False
        for path in (self._path, self._flatten):
            path.unlink(missing_ok=True)


def _both(old: Halt, new: Halt) -> Halt:
    # The reason is the newest one, but no wish is lowered: a pull never makes another one weaker.
    return Halt(new.reason, stronger(old.state, new.state), old.flatten or new.flatten)
