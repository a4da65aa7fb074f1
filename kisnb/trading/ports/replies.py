"""Replies of the desk to the queries of a session: plain data that goes over the desk's socket."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from kisnb.events import Depth, Quote, StockDay
from kisnb.market.routing.evidence import Evidence
from kisnb.orders import Account, Intent, OrderPage, OrderState


class OutcomeReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The outcome of an order: its state in the desk's order book."""

    state: OrderState
    # This has only the figures that a blocking caller needs at once. The session's order books have
    # the order once its events have been applied.
    number: int | None
    msg_cd: str
    text: str


class PlaceAnswer(msgspec.Struct, frozen=True, array_like=True):
    """The answer to a typed order: sent, shown (it existed already), or refused."""

    outcome: Literal["sent", "shown", "refused"]
    # The intent is returned, because the desk sets the key: the session makes its order from this
    # intent.
    intent: Intent
    """The intent that is sent or shown, with its key. If refused: the intent that was asked for."""
    text: str = ""
    """If shown: where and when the order was sent, and how to send another. If refused: why."""
    cure: str = ""


class OrdersPlaced(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """One answer for each request, in the order of the requests."""

    answers: tuple[PlaceAnswer, ...]


# An exception cannot go over a socket. The client raises an error of the class with this name, so
# that a caller sees the same error as in one process.
class Failed(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The error of a query: the name of its class in ``kisnb.errors``, sentence and cure."""

    error: str
    text: str
    cure: str = ""


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The reply to a query that has no result: the query was carried out."""


class TextReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A reply that is a sentence for people."""

    text: str


class StatusReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The state of the desk for people: one line per fact, and the sessions that are attached.

    The session that asks is not among them.
    """

    lines: tuple[str, ...]
    sessions: tuple[str, ...]


class JournalReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The path of the desk's journal."""

    path: str


class TapeReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The path of today's tape.

    The file has everything that the desk published before the reply.
    """

    path: str
    """The path. Empty: this desk writes no tape."""


class AccountReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """KIS's statement of the account."""

    account: Account


class OrdersReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """KIS's list of a day's orders."""

    page: OrderPage


class RowsReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The rows of KIS's reply by block, as KIS's own texts. ``complete``: every page was read."""

    blocks: dict[str, list[dict[str, str]]]
    # KIS gives its rows in pages, and a later page may fail. The rows that came are shown, but they
    # are marked as incomplete.
    complete: bool = True


class RecordsReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The newest records of a channel, oldest first: the columns as texts, in KIS's order."""

    rows: list[list[str]]


class RoutesReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Routing decisions with their evidence, oldest first."""

    decisions: tuple[Evidence, ...]


# Quote and Depth are sent as facts, so that a price from a question and a price from a channel have
# one type.
Reply: TypeAlias = (
    Quote
    | StockDay
    | Depth
    | AccountReply
    | OrdersReply
    | RowsReply
    | RecordsReply
    | RoutesReply
    | JournalReply
    | TapeReply
    | OrdersPlaced
    | OutcomeReply
    | StatusReply
    | TextReply
    | Done
    | Failed
)
