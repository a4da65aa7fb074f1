"""A walk through the pages of a reply, as a plain object: the next request, and the pages so far.

KIS pages by position. A row that is added while pages are read shifts the later rows. Then a row
comes twice, or KIS refuses the next page (SYDB0050), and the walk begins again.

A last page that is just full says that more pages follow, and its ctx keys are blank. KIS refuses
the page after it with SYDB0050, each time (seen by a client with exactly 50 holdings). So this
refusal ends the walk, and the rows are complete.
"""

from __future__ import annotations

from collections.abc import Mapping

from kisnb.kis.calls.messages import ApiReply
from kisnb.kis.catalogue import Api

MOST_PAGES = 50
"""After this many pages a walk ends incomplete."""
RESTARTS = 3
"""Most restarts of a walk. When one more is needed, its pages count as incomplete."""
NEXT = "N"
"""``tr_cont`` of a request for a further page."""


class Paging:
    """The state of a walk through the pages of one call.

    Until ``done``, send ``params`` and ``tr_cont``, and pass the reply to ``receive``.
    """

    params: dict[str, str]
    tr_cont: str
    pages: list[ApiReply]
    """The pages that came so far."""

    def __init__(self, api: Api, params: Mapping[str, str]) -> None:
        self._api = api
        self._first = dict(params)
        self._restarts = 0
        self.done = False
        """True when no more requests are to be sent."""
        self.complete = False
        """True when all rows are there, each once."""
        self._begin()

    def receive(self, reply: ApiReply) -> None:
        """Process the reply to the last request: set the next request, or end the walk."""
        rows = {self._key(row) for row in reply.rows(self._api.row_block)}
        # A row that came before shows that the pages have moved.
        if rows & self._seen:
            self._restart()
            return
        self._seen |= rows
        self.pages.append(reply)
        keys = dict(zip(self._api.ctx, reply.ctx, strict=True))
        if not reply.has_more:
            self.done = self.complete = True
        # With unchanged keys the same page would be read for ever. Blank keys are tried once.
        elif len(self.pages) == MOST_PAGES or self._asked_before(keys):
            self.done = True
        else:
            self._after_full_page = not any(key.strip() for key in keys.values())
            self.params, self.tr_cont = {**self._first, **keys}, NEXT

    def receive_change(self) -> None:
        """Handle SYDB0050, which says that the rows have changed since the first page.

        After a full last page KIS sends it although nothing has changed: the walk ends, complete.
        In all other cases the walk starts again.
        """
        if self._after_full_page:
            self.done = self.complete = True
        else:
            self._restart()

    def break_off(self) -> None:
        """End the walk as incomplete, because the next page did not come."""
        self.done = True

    def _asked_before(self, keys: Mapping[str, str]) -> bool:
        return self.tr_cont == NEXT and self.params == {**self._first, **keys}

    def _key(self, row: Mapping[str, str]) -> tuple[str, ...]:
        # A call without a key of its own takes the whole row, in an order that does not depend on
        # KIS's.
        return tuple(row.get(name, "") for name in self._api.row_key or sorted(row))

    def _restart(self) -> None:
        if self._restarts == RESTARTS:
            self.done = True
            return
        self._restarts += 1
        self._begin()

    def _begin(self) -> None:
        self.params, self.tr_cont = self._first, ""
        self.pages = []
        self._after_full_page = False
        self._seen: set[tuple[str, ...]] = set()
