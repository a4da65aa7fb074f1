"""``session.api``: every call of KIS that reads, and every channel of the market, by name.

KIS's catalogue is loaded when the first name is looked up. A session that looks up no name does not
load it.

    NamedQuestions    looks a name up, checks parameters, reads replies
      │
      ├── NamedCalls        session.api: its calls are awaited
      └── BlockingCalls     session.blocking.api: its calls return with the result
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine
from inspect import Signature
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar

from kisnb.session.feed.state import SessionState
from kisnb.session.feed.watched_stocks import WatchedStocks
from kisnb.session.questions import AsksBlocking, Questions, R, TypedQuery
from kisnb.session.typed_orders.pending import Pending
from kisnb.terms import Mode
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.queries import CallApi, RecordsOf
from kisnb.trading.ports.replies import RecordsReply, RowsReply
from kisnb.values import shown

if TYPE_CHECKING:
    import polars as pl

    from kisnb.kis.by_name.calls import ParamValue
    from kisnb.kis.by_name.channels import StreamChannel
    from kisnb.kis.catalogue import Api

F = TypeVar("F")
ApiFrames: TypeAlias = "pl.DataFrame | dict[str, pl.DataFrame]"
"""One DataFrame; for a call whose reply has several blocks, a dict of DataFrames by block name."""


class NamedCall(Protocol):
    """A call of KIS, to be awaited.

    Its parameters have KIS's names in lower case; ``?`` lists them.
    """

    def __call__(self, *, typed: bool = True, **params: ParamValue) -> Pending[ApiFrames]:
        """Return an awaitable that makes the call and returns KIS's reply.

        ``typed`` False: every column is a text, as KIS sent it.
        """
        ...


class BlockingCall(Protocol):
    """A call of KIS that returns with the result. Its parameters are those of ``NamedCall``."""

    def __call__(self, *, typed: bool = True, **params: ParamValue) -> ApiFrames:
        """Make the call, and return KIS's reply.

        ``typed`` False: every column is a text, as KIS sent it.
        """
        ...


class ApiQuery(NamedTuple):
    """One question about a call or a channel, as an awaited and as a blocking function."""

    awaited: Callable[[Questions], Coroutine[Any, Any, ApiFrames]]
    """Asks the question, and awaits the reply, which it returns as DataFrames."""
    blocking: Callable[[AsksBlocking], ApiFrames]
    """Asks the question, and waits for the reply without the event loop."""


class NamedQuestion(NamedTuple):
    """A call or channel of KIS that was found by its name."""

    name: str
    page: str
    """The text that ``?`` shows."""
    signature: Signature
    query: Callable[[dict[str, ParamValue], bool], ApiQuery]
    """Makes the question from the parameters and ``typed``. Raises BadInput, NotOffered."""
    begin: Callable[[dict[str, ParamValue]], None] = lambda _params: None
    """Called before the question is asked.

    It subscribes to a channel; for a call it does nothing.
    """


class NamedQuestions:
    """Finds calls and channels of KIS by name, and makes one session's questions about them."""

    def __init__(self, state: SessionState, rules: Rules, watched: WatchedStocks) -> None:
        self._state = state
        self._rules = rules
        self._watched = watched

    def of(self, name: str) -> NamedQuestion:
        """Return the call or channel of this name. Raises UnknownCall, BadInput."""
        # Python and IPython often look up names that begin with an underscore. No name of KIS does.
        if name.startswith("_"):
            raise AttributeError(name)
        from kisnb.kis.by_name.calls import call_named
        from kisnb.kis.by_name.channels import channels
        from kisnb.kis.by_name.pages import page_of, signature_of

        channel = channels().get(name)
        if channel is not None:
            return self._of_channel(channel)
        api = call_named(name, also=channels())
        return NamedQuestion(
            name,
            page_of(api),
            signature_of(api),
            lambda params, typed: self._api_query(api, params, typed=typed),
        )

    def names(self) -> list[str]:
        """Return the names that Tab offers."""
        from kisnb.kis.by_name.calls import reading_calls
        from kisnb.kis.by_name.channels import channels

        market = [c.name for c in channels().values() if not c.is_of_account]
        return ["search", *(api.name for api in reading_calls()), *market]

    def _api_query(self, api: Api, params: dict[str, ParamValue], *, typed: bool) -> ApiQuery:
        from kisnb.kis.by_name.calls import call_params
        from kisnb.kis.modes import HOST_RULES, of_account

        # Wrong parameters raise when the function is called, as with any Python function.
        asked = call_params(api, params)
        HOST_RULES[self._state.mode if of_account(api) else self._quotes].check_api(api)

        def read(reply: RowsReply) -> ApiFrames:
            from kisnb.kis.by_name.frames import api_frames

            if not reply.complete:
                text = f"KIS has more rows of {api.name}, and some pages did not come."
                warnings.warn(f"{text} Ask for a shorter span.", RuntimeWarning, stacklevel=2)
            return api_frames(api, reply.blocks, typed=typed)

        return _query(TypedQuery(CallApi(api.name, asked), read))

    @property
    def _quotes(self) -> Mode:
        """The mode of the KIS server that is asked about the market.

        A paper desk may ask the live server.
        """
        return self._rules.capabilities.quotes or self._state.mode

    def _of_channel(self, channel: StreamChannel) -> NamedQuestion:
        from kisnb.kis.by_name.channels import channel_frame, channel_key
        from kisnb.kis.by_name.pages import page_of_channel, signature_of_channel

        def query(params: dict[str, ParamValue], typed: bool) -> ApiQuery:
            key = channel_key(channel, params, self._quotes)

            def read(reply: RecordsReply) -> ApiFrames:
                if not reply.rows:
                    text = f"{channel.name} has brought no record of {key} yet."
                    cure = "The desk is subscribed. Call it again later."
                    warnings.warn(f"{text} {cure}", RuntimeWarning, stacklevel=2)
                return channel_frame(channel, reply.rows, typed=typed)

            return _query(TypedQuery(RecordsOf(channel.tr_id, key), read))

        def begin(params: dict[str, ParamValue]) -> None:
            self._watched.want([channel.want(channel_key(channel, params, self._quotes))])

        return NamedQuestion(
            channel.name, page_of_channel(channel), signature_of_channel(), query, begin
        )


class _Named:
    """The base class of ``NamedCalls`` and ``BlockingCalls``: Tab completion, and ``search``."""

    def __init__(self, named: NamedQuestions) -> None:
        self._named = named

    def __dir__(self) -> list[str]:
        return self._named.names()

    def search(self, text: str = "") -> pl.DataFrame:
        """Return the calls and channels that contain every word of ``text``.

        The words are searched in the name, KIS's Korean title, the path, and the labels of
        parameters and columns.

        Columns: name, title, path, modes (in which KIS offers the call), parameters (list; a
        question mark follows each parameter that may be left out).
        """
        from kisnb.kis.by_name.pages import search_calls

        return search_calls(text)


class NamedCalls(_Named):
    """All calls of KIS that read, and all its market channels, as methods that are awaited.

    A call has KIS's name: ``await session.api.inquire_price(...)``. A channel has its TR id:
    ``await session.api.h0stcnt0(tr_key="005930")`` subscribes, and returns the records that the
    channel has brought since the subscription began.

    Tab lists the names, ``session.api.inquire_price?`` explains one, and ``search`` finds them. The
    desk adds the account, reads all pages, and keeps KIS's rate limits. Calls that place, revise or
    cancel orders are refused; the error names the command to use instead.
    """

    def __init__(self, named: NamedQuestions, questions: Questions) -> None:
        super().__init__(named)
        self._questions = questions

    def __getattr__(self, name: str) -> NamedCall:
        question = self._named.of(name)

        def call(*, typed: bool = True, **params: ParamValue) -> Pending[ApiFrames]:
            query = question.query(params, typed)

            async def ask() -> ApiFrames:
                question.begin(params)
                return await query.awaited(self._questions)

            what = ", ".join(f"{name}={shown(value)}" for name, value in params.items())
            return Pending(f"api.{question.name}({what})", ask, "done")

        return _explained(call, question)


class BlockingCalls(_Named):
    """The calls of ``session.api`` that block and return the result, for code that cannot await."""

    def __init__(self, named: NamedQuestions, asks: AsksBlocking) -> None:
        super().__init__(named)
        self._asks = asks

    def __getattr__(self, name: str) -> BlockingCall:
        question = self._named.of(name)

        def call(*, typed: bool = True, **params: ParamValue) -> ApiFrames:
            query = question.query(params, typed)
            question.begin(params)
            return query.blocking(self._asks)

        return _explained(call, question)


def _query(query: TypedQuery[R, ApiFrames]) -> ApiQuery:
    return ApiQuery(lambda questions: questions.answer(query), lambda asks: asks.answer(query))


def _explained(call: F, question: NamedQuestion) -> F:
    """Give ``call`` the name, help and parameters that Tab and ``?`` show, and return it."""
    for attribute, value in (
        ("__name__", question.name),
        ("__qualname__", question.name),
        ("__doc__", question.page),
        ("__signature__", question.signature),
    ):
        setattr(call, attribute, value)
    return call
