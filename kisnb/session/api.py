"""``session.api``: every call of KIS that reads, and every channel of the market, by name.

KIS's catalogue is loaded when the first of them is looked up. A session that uses none pays
nothing.
"""

from __future__ import annotations

import warnings
from inspect import Signature
from typing import TYPE_CHECKING, Protocol, TypeAlias

from kisnb.session.feed.link import Link
from kisnb.session.feed.state import SessionState
from kisnb.session.feed.watched_stocks import WatchedStocks
from kisnb.session.typed_orders.pending import Pending
from kisnb.terms import Mode
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.queries import CallApi, RecordsOf
from kisnb.values import shown

if TYPE_CHECKING:
    import polars as pl

    from kisnb.kis.by_name.calls import ParamValue
    from kisnb.kis.by_name.channels import StreamChannel
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

    Every channel of the market, too, by its TR id: ``await session.api.h0stcnt0(tr_key="005930")``
    subscribes, and returns the records that have come since.

    Tab lists them, ``session.api.inquire_price?`` explains one, and ``search`` finds them.
    The desk adds the account and reads all pages, in the lane of its rate limiter. Calls that
    place, revise or cancel orders are refused with the verb to use.
    """

    def __init__(
        self, link: Link, state: SessionState, rules: Rules, watched: WatchedStocks
    ) -> None:
        self._link = link
        self._state = state
        self._rules = rules
        self._watched = watched

    def __getattr__(self, name: str) -> NamedCall:
        # Python and IPython look for names with an underscore all the time. KIS has none of them.
        if name.startswith("_"):
            raise AttributeError(name)
        from kisnb.kis.by_name.calls import call_named
        from kisnb.kis.by_name.channels import channels
        from kisnb.kis.by_name.pages import page_of, signature_of

        channel = channels().get(name)
        if channel is not None:
            return self._named_channel(channel)
        api = call_named(name, also=channels())

        def call(*, typed: bool = True, **params: ParamValue) -> Pending[ApiFrames]:
            return self._call(api, params, typed=typed)

        return _named(call, name, page_of(api), signature_of(api))

    def __dir__(self) -> list[str]:
        from kisnb.kis.by_name.calls import reading_calls
        from kisnb.kis.by_name.channels import channels

        market = [c.name for c in channels().values() if not c.is_of_account]
        return ["search", *(api.name for api in reading_calls()), *market]

    def search(self, text: str = "") -> pl.DataFrame:
        """Return the calls and channels that have every word of ``text``.

        The words may stand in the name, KIS's Korean title, the path, or the labels of parameters
        and columns.

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
        HOST_RULES[self._state.mode if of_account(api) else self._quotes].check_api(api)
        what = ", ".join(f"{name}={shown(value)}" for name, value in params.items())
        return Pending(
            f"api.{api.name}({what})", lambda: self._ask(api, asked, typed=typed), "done"
        )

    @property
    def _quotes(self) -> Mode:
        """The mode of the KIS that is asked about the market. A paper desk may ask the live one."""
        return self._rules.capabilities.quotes or self._state.mode

    def _named_channel(self, channel: StreamChannel) -> NamedCall:
        from kisnb.kis.by_name.channels import channel_key
        from kisnb.kis.by_name.pages import page_of_channel, signature_of_channel

        def records(*, typed: bool = True, **params: ParamValue) -> Pending[ApiFrames]:
            key = channel_key(channel, params, self._quotes)
            what = f"api.{channel.name}(tr_key={key!r})"
            return Pending(what, lambda: self._records(channel, key, typed=typed), "done")

        return _named(records, channel.name, page_of_channel(channel), signature_of_channel())

    async def _records(self, channel: StreamChannel, key: str, *, typed: bool) -> pl.DataFrame:
        from kisnb.kis.by_name.channels import channel_frame

        self._watched.want([channel.want(key)])
        reply = await self._link.ask(RecordsOf(channel.tr_id, key))
        if not reply.rows:
            text = f"{channel.name} has brought no record of {key} yet. The desk is subscribed."
            warnings.warn(f"{text} Call it again later.", RuntimeWarning, stacklevel=2)
        return channel_frame(channel, reply.rows, typed=typed)

    async def _ask(self, api: Api, asked: dict[str, str], *, typed: bool) -> ApiFrames:
        from kisnb.kis.by_name.frames import api_frames

        reply = await self._link.ask(CallApi(api.name, asked))
        if not reply.complete:
            text = f"KIS has more rows of {api.name}, and some pages did not come."
            warnings.warn(f"{text} Ask for a shorter span.", RuntimeWarning, stacklevel=2)
        return api_frames(api, reply.blocks, typed=typed)


def _named(call: NamedCall, name: str, page: str, signature: Signature) -> NamedCall:
    """Return a function with the name, help and parameters that Tab and ``?`` show."""
    for attribute, value in (
        ("__name__", name),
        ("__qualname__", name),
        ("__doc__", page),
        ("__signature__", signature),
    ):
        setattr(call, attribute, value)
    return call
