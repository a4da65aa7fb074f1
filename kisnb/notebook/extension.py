"""``%load_ext kisnb``: adds kisnb to an IPython shell, and removes it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kisnb.notebook.commands.completion import KisMatcher
from kisnb.notebook.commands.magics import KisMagics
from kisnb.notebook.kernel.transform import AwaitMagics, plain_magics
from kisnb.notebook.lifecycle import CloseAtExit
from kisnb.notebook.rendering.display import Looks
from kisnb.notebook.rendering.error_groups import ErrorGroups
from kisnb.session.typed_orders.cells import Cells

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class Extension:
    """All parts that kisnb adds to one shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.kis = KisMagics(shell)
        console = self.kis.console
        self._shell: Any = shell  # an attribute of our own is put on it
        self._cells = Cells.of(shell)
        self._transform = AwaitMagics(shell)
        self._matcher = KisMatcher(self.kis.current, shell)
        self._looks = Looks(
            shell,
            lambda: console.mode,
            lambda: console.doubt,
            console.is_frame_of_command,
            console.is_movable,
        )
        self._at_exit = CloseAtExit(shell, self.kis.current)
        self._groups = ErrorGroups(shell, console.live_orders)
        self._callbacks: list[tuple[str, Callable[..., None]]] = [
            ("pre_run_cell", self.kis.runner.end_loading),
            ("pre_run_cell", self.kis.current.adopt),
            ("pre_run_cell", self.kis.guard.pre_run_cell),
            ("post_run_cell", self.kis.guard.post_run_cell),
        ]

    def load(self) -> None:
        """Add all parts to the shell."""
        shell = self._shell
        shell.kis = self.kis
        shell.register_magics(self.kis)
        # Before IPython's own: one of those looks for %% at the beginning of a cell.
        shell.input_transformers_cleanup.insert(0, plain_magics)
        # After IPython's own transformers, because it looks for what they make of `%kis`.
        shell.input_transformers_post.append(self._transform)
        if shell.Completer is not None:
            shell.Completer.custom_matchers.append(self._matcher.match)
        for event, callback in self._callbacks:
            shell.events.register(event, callback)
        self._looks.add()
        self._at_exit.add()
        self._groups.add()
        self._cells.acquire()

    def unload(self) -> None:
        """Leave the desk, and remove all parts from the shell, the newest first."""
        shell = self._shell
        # The session goes first. Its callbacks use the parts that are removed below.
        self.kis.current.detach()
        self._groups.remove()
        self._at_exit.remove()
        self._looks.remove()
        for event, callback in self._callbacks:
            shell.events.unregister(event, callback)
        # This cell still runs, and its end no longer reaches the guard. Without this line SIGINT
        # would stay with it.
        self.kis.guard.release()
        self._cells.release()
        if shell.Completer is not None:
            shell.Completer.custom_matchers.remove(self._matcher.match)
        shell.input_transformers_post.remove(self._transform)
        shell.input_transformers_cleanup.remove(plain_magics)
        shell.configurables.remove(self.kis)
        # IPython's base class adds itself here and to `configurables`, and has no call that undoes
        # it. After a second `%load_ext`, `%config` would list the class twice.
        shell.magics_manager.registry.pop(type(self.kis).__name__, None)
        # IPython has no call that takes a magic away.
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop("kis", None)
        del shell.kis


_loaded: dict[int, Extension] = {}
"""The loaded extensions, by the ``id()`` of their shell."""


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Load the extension, for ``%load_ext kisnb``.

    It prints nothing, uses no network, and imports nothing heavy.
    """
    # A second load would register everything twice, and each callback would run twice.
    if id(shell) not in _loaded:
        extension = _loaded[id(shell)] = Extension(shell)
        extension.load()


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Unload the extension, for ``%unload_ext kisnb``.

    IPython is then as it was before. The desk goes on.
    """
    extension = _loaded.pop(id(shell), None)
    if extension is not None:
        extension.unload()
