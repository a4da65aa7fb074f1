"""Errors of several tasks at once: one line for each, and the cell's orders that are still open.

``asyncio.TaskGroup`` raises them as one group, which IPython shows as nested tracebacks. When every
error of a group is kisnb's own, or has its own output, each becomes one line. Any other group keeps
its traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kisnb.orders import Order
from kisnb.trading.order_books.order_words import order_line

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class ErrorGroups:
    """Shows groups of errors in one shell, unless another extension does so already."""

    def __init__(self, shell: InteractiveShell, live_orders: Callable[[], Sequence[Order]]) -> None:
        """Prepare.

        ``live_orders`` returns the running cell's orders that are open or have fills.
        """
        self._shell: Any = shell
        self._live_orders = live_orders
        self._added = False

    def add(self) -> None:
        """Begin to show groups of errors."""
        # IPython has one handler for custom exceptions. If another extension has set it, it stays.
        if not self._shell.custom_exceptions:
            self._shell.set_custom_exc((BaseExceptionGroup,), self._show)
            self._added = True

    def remove(self) -> None:
        """Let IPython show groups of errors again."""
        # Another extension may have replaced ours since then.
        if self._added and self._shell.custom_exceptions == (BaseExceptionGroup,):
            self._shell.set_custom_exc((), None)
        self._added = False

    def _show(
        self, shell: Any, kind: type[BaseException], group: BaseException, trace: TracebackType,
        tb_offset: int | None = None,
    ) -> list[str]:  # fmt: skip
        lines = group_lines(group)
        # An error in a person's own code needs its traceback, and IPython shows a group only as a
        # whole.
        if lines is None:
            shell.showtraceback((kind, group, trace), tb_offset=tb_offset)
            return []
        orders = self._live_orders()
        if orders:
            lines += [
                "Orders of this cell that live on:",
                *(f"  {order_line(order)}" for order in orders),
            ]
        # IPython has no public call that sends the lines of an error.
        shell._showtraceback(kind, group, lines)  # noqa: SLF001
        return lines


def group_lines(group: BaseException) -> list[str] | None:
    """Return the lines of all errors of a group. None when one of them needs its traceback."""
    lines = []
    # A group may contain groups: a TaskGroup inside a TaskGroup.
    for error in _leaves(group):
        render = getattr(error, "_render_traceback_", None)
        if render is None:
            return None
        lines += render()
    return lines


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
