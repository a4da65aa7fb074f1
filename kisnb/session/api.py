"""``session.api``: every call of KIS that reads, by name.

KIS's catalogue is loaded when the first call is looked up. A session that uses none pays nothing.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Protocol, TypeAlias

from kisnb.session.feed.link import Link
from kisnb.session.feed.state import SessionState
from kisnb.session.typed_orders.pending import Pending
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.queries import CallApi
from kisnb.values import shown

if TYPE_CHECKING:
    import polars as pl

    from kisnb.kis.by_name.calls import ParamValue
    from kisnb.kis.catalogue import Api

ApiFrames: TypeAlias = "pl.DataFrame | dict[str, pl.DataFrame]"
"""One DataFrame. For a call whose reply has several blocks: a DataFrame by the block's name."""


class NamedCall(Protocol):
    """A call of KIS. Its parameters are KIS's, in lower case; its help lists them."""

    def __call__(self, *, typed: bool = True, **params: ParamValue) -> Pending[ApiFrames]:
        """Ask KIS. Await the result."""
        ...


class NamedCalls:
    """Every call of KIS that reads: ``await session.api.inquire_price(...)``.

    Tab lists the calls, ``session.api.inquire_price?`` explains one, and ``search`` finds them.
    The desk adds the account and reads all pages, in the lane of its rate limiter. Calls that
    place, revise or cancel orders are refused with the verb to use.
    """

    def __init__(self, link: Link, state: SessionState, rules: Rules) -> None:
        self._link = link
        self._state = state
        self._rules = rules

    def __getattr__(self, name: str) -> NamedCall:
        # Python and IPython look for names with an underscore all the time. KIS has none of them.
        if name.startswith("_"):
            raise AttributeError(name)
        from kisnb.kis.by_name.calls import call_named
        from kisnb.kis.by_name.pages import page_of, signature_of

        api = call_named(name)

        def call(*, typed: bool = True, **params: ParamValue) -> Pending[ApiFrames]:
            return self._call(api, params, typed=typed)

        call.__name__ = call.__qualname__ = name
        call.__doc__ = page_of(api)
        # IPython's Tab and ``?`` read the parameters here.
        call.__signature__ = signature_of(api)  # type: ignore[attr-defined]
        return call

    def __dir__(self) -> list[str]:
        from kisnb.kis.by_name.calls import reading_calls

        return ["search", *(api.name for api in reading_calls())]

    def search(self, text: str = "") -> pl.DataFrame:
        """Return the calls that have every word of ``text`` in name, title, path or labels.

        Columns: name, title, path, modes (of KIS that offer the call), parameters (list; a question
        mark follows those that may be left out).
        """
        from kisnb.kis.by_name.pages import search_calls

        return search_calls(text)

    def _call(self, api: Api, params: dict[str, ParamValue], *, typed: bool) -> Pending[ApiFrames]:
        from kisnb.kis.by_name.calls import call_params
        from kisnb.kis.modes import HOST_RULES, of_account

        # Wrong parameters raise at the call, as those of any function do.
        asked = call_params(api, params)
        # A paper desk with live quotes asks the live KIS about the market.
        quotes = None if of_account(api) else self._rules.capabilities.quotes
        HOST_RULES[quotes or self._state.mode].check_api(api)
        what = ", ".join(f"{name}={shown(value)}" for name, value in params.items())
        return Pending(
            f"api.{api.name}({what})", lambda: self._ask(api, asked, typed=typed), "done"
        )

    async def _ask(self, api: Api, asked: dict[str, str], *, typed: bool) -> ApiFrames:
        from kisnb.kis.by_name.frames import api_frames

        reply = await self._link.ask(CallApi(api.name, asked))
        if not reply.complete:
            text = f"{api.name}: KIS has more rows, and some pages did not come."
            warnings.warn(f"{text} Ask for a shorter span.", RuntimeWarning, stacklevel=2)
        return api_frames(api, reply.blocks, typed=typed)
