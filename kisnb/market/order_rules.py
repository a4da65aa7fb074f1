"""The kinds of orders that each venue accepts and when they end, by span of the day and by issue.

One dated table says which orders are legal. An order without a row in it is not legal. No rule
depends on a session id. "Kind" alone means the kind of an order. Sources: KIS's workbook of order
types (ORD_DVSN), the notices of KRX and KIS of 2026-09-09, brokers' notices of 2026-09. Certainty
as in ``session_table``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec

from kisnb.clock import Ns, clock_text, kst_day
from kisnb.errors import BadInput
from kisnb.market import sessions
from kisnb.market.instruments import Instrument
from kisnb.market.session_table import ALWAYS, NXT_BEGAN, REFORM, Certainty
from kisnb.market.sessions import Hours
from kisnb.market.uncertain import Assumed, Uncertain, current
from kisnb.terms import Kind, OrderKind, Venue

_K = OrderKind


class Rule(NamedTuple):
    """One row of the table: in this span the venue accepts these kinds for these issues."""

    venue: Venue
    span: str
    """Name of the span in ``session_table``."""
    kinds: frozenset[OrderKind]
    until: str
    """Name of the span at whose end the leaves of such an order expire."""
    issues: frozenset[Kind]
    since: date
    """First day of the rule."""
    source: str
    certainty: Certainty = "A"
    only_if: str = ""
    """Name of a field of ``Uncertain``. The rule is in force only when the field is True."""


_IN_ORDER = tuple(OrderKind)
_ALL = frozenset(Kind)
_STOCK = frozenset({Kind.STOCK})
_FUNDS = _ALL - _STOCK
_AT_ONCE = frozenset({
    _K.LIMIT_IOC, _K.LIMIT_FOK, _K.MARKET_IOC, _K.MARKET_FOK, _K.BEST_OPPOSITE_IOC,
    _K.BEST_OPPOSITE_FOK,
})  # fmt: skip
# Kinds that need bids and asks to match with.
_BOOK = _AT_ONCE | {_K.LIMIT, _K.BEST_OPPOSITE, _K.BEST_OWN}
# 중간가 and 스톱지정가 came with Nextrade (2025-03-04), at KRX as well.
_MID_STOP = frozenset({_K.MID_PRICE, _K.MID_PRICE_IOC, _K.MID_PRICE_FOK, _K.STOP_LIMIT})
# In a call auction there is no best price to take, so KIS refuses the other kinds (APBK3013).
_CALL = frozenset({_K.LIMIT, _K.MARKET})
_LIMIT, _CONDITIONAL = frozenset({_K.LIMIT}), frozenset({_K.CONDITIONAL})
_PRE_CLOSE, _POST_CLOSE = frozenset({_K.PRE_CLOSE}), frozenset({_K.POST_CLOSE})
# GTP orders are valid in Nextrade's pre-market only: ORD_DVSN 27 to 29 (KIS notice of 2026-09-09).
_GTP = frozenset({_K.NXT_PRE_LIMIT, _K.NXT_PRE_BEST_OPPOSITE, _K.NXT_PRE_BEST_OWN})
# KRX's after-market is a market of its own: it refuses the kinds of the regular session, and takes
# 41 to 47 (KIS notice of 2026-09-09).
_AFTER_KINDS = {
    _K.LIMIT: _K.AFTER_LIMIT,
    _K.LIMIT_IOC: _K.AFTER_LIMIT_IOC,
    _K.LIMIT_FOK: _K.AFTER_LIMIT_FOK,
    _K.BEST_OPPOSITE: _K.AFTER_BEST_OPPOSITE,
    _K.BEST_OPPOSITE_IOC: _K.AFTER_BEST_OPPOSITE_IOC,
    _K.BEST_OPPOSITE_FOK: _K.AFTER_BEST_OPPOSITE_FOK,
    _K.BEST_OWN: _K.AFTER_BEST_OWN,
}
_AFTER = frozenset(_AFTER_KINDS.values())
_IN_CALLS = _CALL | _CONDITIONAL | {_K.SINGLE_PRICE, _K.AFTER_LIMIT, _K.NXT_PRE_LIMIT}
# Kinds that a cure names instead of a market order, the most alike first.
_LIKE_MARKET = (
    _K.MARKET,
    _K.MARKET_IOC,
    _K.BEST_OPPOSITE,
    _K.AFTER_BEST_OPPOSITE,
    _K.LIMIT,
    _K.AFTER_LIMIT,
)
_X, _N, _S = Venue.KRX, Venue.NXT, Venue.SOR
_BOOKLET, _NOTICE = "KIS workbook, ORD_DVSN", "KRX and KIS notices of 2026-09-09"
_CALLS = "KRX: auctions take limit and market orders; others end in APBK3013"

RULES: tuple[Rule, ...] = (
    # KRX. Its regular orders end with the closing auction.
    Rule(_X, "opening auction", _CALL | _CONDITIONAL, "closing auction", _ALL, ALWAYS, _CALLS, "B"),
    Rule(_X, "pre-open closing price", _PRE_CLOSE, "pre-open closing price", _ALL, ALWAYS,
         _BOOKLET),
    Rule(_X, "regular", _BOOK | _CALL | _CONDITIONAL, "closing auction", _ALL, ALWAYS, _BOOKLET),
    Rule(_X, "regular", _MID_STOP, "closing auction", _ALL, NXT_BEGAN,
         "KRX took them on when Nextrade began", "B"),
    Rule(_X, "closing auction", _CALL, "closing auction", _ALL, ALWAYS, _CALLS, "B"),
    Rule(_X, "closing auction", _CONDITIONAL, "closing auction", _ALL, ALWAYS,
         "may stand like a limit order", "C",
         "krx_conditional_at_close"),
    Rule(_X, "closing price entry", _POST_CLOSE, "closing price", _ALL, ALWAYS, _BOOKLET),
    Rule(_X, "closing price", _POST_CLOSE, "closing price", _ALL, ALWAYS, _BOOKLET),
    Rule(_X, "single price", frozenset({_K.SINGLE_PRICE}), "single price", _ALL, ALWAYS, _BOOKLET),
    Rule(_X, "after-market", _AFTER, "after-market", _STOCK, REFORM,
         f"{_NOTICE}: 41 to 47 only, no ETF, no ETN"),
    Rule(_X, "after-market", _AFTER, "after-market", _FUNDS, REFORM,
         "no list of what is left out", "C",
         "krx_after_takes_funds"),
    # Nextrade lists stocks only (no ETF, no ETN). Its orders stay valid in its after-market.
    # Nextrade accepts no plain market order (KIS workbook, ORD_DVSN 01): its rows have _BOOK, and
    # nothing of _CALL.
    Rule(_N, "pre-market", _BOOK, "after-market", _STOCK, NXT_BEGAN,
         f"{_BOOKLET}; that it outlives 08:50", "B"),
    Rule(_N, "pre-market", _GTP, "pre-market", _STOCK, REFORM, f"{_NOTICE}: GTP, cancelled 08:50"),
    Rule(_N, "pre-market", _MID_STOP, "pre-market", _STOCK, NXT_BEGAN, "no source says so", "C",
         "nxt_mid_and_stop_all_day"),
    Rule(_N, "regular", _BOOK, "after-market", _STOCK, NXT_BEGAN,
         "brokers: valid into the after-market"),
    Rule(_N, "regular", _MID_STOP, "regular", _STOCK, NXT_BEGAN,
         f"{_BOOKLET}; that it ends 15:20", "B"),
    Rule(_N, "after-market entry", _LIMIT, "after-market", _STOCK, NXT_BEGAN,
         "Nextrade: limit orders only"),
    Rule(_N, "after-market", _BOOK, "after-market", _STOCK, NXT_BEGAN, _BOOKLET, "B"),
    Rule(_N, "after-market", _MID_STOP, "after-market", _STOCK, NXT_BEGAN, "no source says so", "C",
         "nxt_mid_and_stop_all_day"),
    # SOR accepts an order that one of its venues accepts. It began with Nextrade. KIS documents
    # only the kinds of its workbook for SOR.
    Rule(_S, "pre-market", _BOOK, "after-market", _STOCK, NXT_BEGAN,
         f"{_BOOKLET}; sent to NXT", "B"),
    Rule(_S, "pre-market", _GTP, "pre-market", _STOCK, REFORM,
         "not documented under SOR", "C", "sor_new_kinds"),
    Rule(_S, "opening auction", _CALL, "after-market", _STOCK, NXT_BEGAN,
         "auctions are KRX's", "B"),
    Rule(_S, "regular", _BOOK | _CALL, "after-market", _STOCK, NXT_BEGAN,
         f"{_BOOKLET}; a rest may be on NXT", "B"),
    Rule(_S, "closing auction", _CALL, "after-market", _STOCK, NXT_BEGAN,
         "auctions are KRX's", "B"),
    Rule(_S, "after-market entry", _LIMIT, "after-market", _STOCK, NXT_BEGAN, "sent to NXT", "B"),
    Rule(_S, "after-market", _BOOK, "after-market", _STOCK, NXT_BEGAN,
         f"{_BOOKLET}; sent to NXT", "B"),
    Rule(_S, "after-market", _AFTER, "after-market", _STOCK, REFORM,
         "not documented under SOR", "C", "sor_new_kinds"),
)  # fmt: skip


class Verdict(msgspec.Struct, frozen=True):
    """The answer to whether an order is legal. A verdict is truthy when the order is legal."""

    rule: Rule | None = None
    """The rule that allows the order; None when it is not legal."""
    why_not: str = ""
    """A sentence for people; empty when the order is legal."""
    cure: str = ""
    """Another way to order; empty when the order is legal."""

    def __bool__(self) -> bool:
        return not self.why_not


Offered: TypeAlias = Collection[OrderKind] | None
"""Kinds that a connection can send; None: all. A cure names only these kinds."""


def legal(
    now: Ns,
    venue: Venue,
    kind: OrderKind,
    instrument: Instrument,
    assumed: Assumed = None,
    offered: Offered = None,
) -> Verdict:
    """Return the verdict on an order of exactly this kind for this issue, at ``venue`` now.

    Trading halts and price limits are not checked here.
    """
    # The reason that lasts longest comes first: not listed, then closed, then the kind. Nobody
    # should be told to wait for a venue that does not list the stock.
    if venue is not Venue.KRX and not _listed(venue, instrument, assumed):
        named = f"{instrument.name} ({instrument.code})"
        why = (
            f"it is not known whether NXT lists {named}"
            if instrument.nxt is None
            else f"NXT does not list {named}"
        )
        return Verdict(None, why, _at_krx(now, kind, instrument, assumed, offered))
    active = _active(now, venue, instrument, assumed)
    if not active:
        when = f"{venue} is closed at {clock_text(now)} KST on {kst_day(now)}"
        return Verdict(None, when, _next_chance(now, venue, kind, instrument, assumed, offered))
    if (rule := _rule(now, venue, kind, instrument, assumed)) is not None:
        return Verdict(rule)
    # Two spans may overlap. People know the first one, which gives the phase.
    where = (
        f"{venue}'s {active[0].span.name}{' session' if active[0].span.name == 'regular' else ''}"
    )
    taken = kinds(now, venue, instrument, assumed)
    why = (
        f"{where} takes no {kind} orders"
        if taken
        else f"{where} takes no {instrument.kind.upper()}"
    )
    # A cure names a kind that works now. Only when there is none does it name a later moment.
    if able := _offered(taken, offered):
        return Verdict(None, why, f"choose {_either(_instead(kind, able))}")
    return Verdict(None, why, _next_chance(now, venue, kind, instrument, assumed, offered))


def kinds(
    now: Ns, venue: Venue, instrument: Instrument, assumed: Assumed = None
) -> tuple[OrderKind, ...]:
    """Return the kinds that ``venue`` accepts for this issue now.

    Empty when the venue is closed or does not list the issue.
    """
    if not _listed(venue, instrument, assumed):
        return ()
    rules = _holding(kst_day(now), _chosen(assumed))
    taken: set[OrderKind] = set()
    for row in _active(now, venue, instrument, assumed):
        for rule in rules.get((venue, row.span.name), ()):
            if instrument.kind in rule.issues:
                taken |= rule.kinds
    return tuple(kind for kind in _IN_ORDER if kind in taken)


def taken_as(
    now: Ns,
    venue: Venue,
    kind: OrderKind,
    instrument: Instrument,
    assumed: Assumed = None,
    offered: Offered = None,
) -> tuple[OrderKind, Verdict]:
    """Return the kind under which ``venue`` accepts an order of ``kind``, and the verdict.

    The kind differs in KRX's after-market, which has kinds of its own.
    """
    # The given kind is tried first. Its twin of the after-market is tried only when the venue
    # refuses the given one.
    verdict = legal(now, venue, kind, instrument, assumed, offered)
    twin = _AFTER_KINDS.get(kind)
    if not verdict and twin is not None and (offered is None or twin in offered):
        rule = _rule(now, venue, twin, instrument, assumed)
        if rule is not None:
            return twin, Verdict(rule)
    return kind, verdict


def joins_call(kind: OrderKind) -> bool:
    """Return True when an order of this kind may enter the call auction of an interruption.

    Limit orders may, and KRX's market orders.
    """
    return kind in _IN_CALLS


def expires(now: Ns, venue: Venue, kind: OrderKind, assumed: Assumed = None) -> Ns:
    """Return the moment at which the leaves of an order entered now expire.

    IOC and FOK end at once. At SOR the later moment of KRX and NXT counts. Raises BadInput when
    ``venue`` accepts no such order now.
    """
    # No order is valid on the next day. KRX's regular orders end at 15:30 and do not enter the
    # after-market (since 2026-09-14). Nextrade's stay valid in its after-market (brokers' notices).
    day = kst_day(now)
    rules = _holding(day, _chosen(assumed))
    for row in sessions.active(venue, now, assumed):
        for rule in rules.get((venue, row.span.name), ()):
            if kind in rule.kinds:
                ends = [
                    h.end for h in sessions.hours(venue, day, assumed) if h.span.name == rule.until
                ]
                # SOR has the spans of both venues under one name. Its order may be valid until the
                # later end.
                return now if kind.immediate else max(ends) if ends else sessions.regular_close(day)
    raise BadInput(
        f"{venue} takes no {kind} orders at {clock_text(now)} KST on {day}",
        "ask for a moment at which it does",
    )


def _listed(venue: Venue, instrument: Instrument, assumed: Assumed) -> bool:
    return (
        venue is Venue.KRX
        or instrument.nxt is True
        or (venue is Venue.SOR and _chosen(assumed).sor_krx_only)
    )


def _rule(
    now: Ns, venue: Venue, kind: OrderKind, instrument: Instrument, assumed: Assumed
) -> Rule | None:
    """Return the rule by which ``venue`` accepts this kind for this issue now; None: refused."""
    if not _listed(venue, instrument, assumed):
        return None
    # The first rule decides. Where two spans overlap, it is one of the span that gives the phase.
    rules = _holding(kst_day(now), _chosen(assumed))
    for row in _active(now, venue, instrument, assumed):
        for rule in rules.get((venue, row.span.name), ()):
            if kind in rule.kinds and instrument.kind in rule.issues:
                return rule
    return None


def _takes(
    now: Ns,
    venue: Venue,
    kind: OrderKind,
    instrument: Instrument,
    assumed: Assumed,
    offered: Offered,
) -> bool:
    """Return True when ``venue`` accepts ``kind`` or its after-market equivalent now."""
    meant = [
        k
        for k in (kind, _AFTER_KINDS.get(kind))
        if k is not None and (offered is None or k in offered)
    ]
    return any(_rule(now, venue, k, instrument, assumed) is not None for k in meant)


def _active(now: Ns, venue: Venue, instrument: Instrument, assumed: Assumed) -> tuple[Hours, ...]:
    active = sessions.active(venue, now, assumed)
    if instrument.nxt or venue is not Venue.SOR:
        return active
    # SOR sends a stock that Nextrade does not list to KRX alone.
    return tuple(row for row in active if row.span.venue is Venue.KRX)


def _next_chance(
    now: Ns,
    venue: Venue,
    kind: OrderKind,
    instrument: Instrument,
    assumed: Assumed,
    offered: Offered,
) -> str:
    hours = sessions.hours(venue, kst_day(now), assumed)
    takes = [row for row in hours if _takes(row.start, venue, kind, instrument, assumed, offered)]
    # A day without trading has no hours, so the cure can say nothing about the kind.
    if hours and not takes:
        return (
            f"choose another kind: {venue} takes no {kind} orders of {instrument.code} at any time"
        )
    later = next((row.start for row in takes if row.start > now), None)
    return (
        "order on the next trading day"
        if later is None
        else f"{venue} takes it from {clock_text(later)}"
    )


def _at_krx(
    now: Ns, kind: OrderKind, instrument: Instrument, assumed: Assumed, offered: Offered
) -> str:
    """Return the cure for an order to a venue that does not list the issue: KRX lists it."""
    if _takes(now, Venue.KRX, kind, instrument, assumed, offered):
        return "send the order to KRX"
    if able := _offered(kinds(now, Venue.KRX, instrument, assumed), offered):
        return f"send the order to KRX, as {_either(_instead(kind, able))}"
    return _next_chance(now, Venue.KRX, kind, instrument, assumed, offered)


def _offered(taken: tuple[OrderKind, ...], offered: Offered) -> tuple[OrderKind, ...]:
    return taken if offered is None else tuple(kind for kind in taken if kind in offered)


def _instead(kind: OrderKind, taken: tuple[OrderKind, ...]) -> tuple[OrderKind, ...]:
    """Return up to three of the kinds ``taken`` that a cure suggests instead of ``kind``.

    For a kind without a price, kinds that take the best price come first.
    """
    wanted = taken if kind.priced else (*(k for k in _LIKE_MARKET if k in taken), *taken)
    return tuple(dict.fromkeys(wanted))[:3]


def _either(kinds: Iterable[OrderKind]) -> str:
    *most, last = [str(kind) for kind in kinds]
    return f"{', '.join(most)} or {last}" if most else last


def _chosen(assumed: Assumed) -> Uncertain:
    return current() if assumed is None else assumed


@lru_cache(maxsize=64)
def _holding(day: date, assumed: Uncertain) -> dict[tuple[Venue, str], tuple[Rule, ...]]:
    """Return the rules in force on ``day``, by venue and name of the span."""
    found: dict[tuple[Venue, str], tuple[Rule, ...]] = {}
    for rule in RULES:
        # Rules do not replace one another, as spans do. A new one adds kinds or issues to those of
        # its span.
        if rule.since <= day and (not rule.only_if or getattr(assumed, rule.only_if)):
            key = rule.venue, rule.span
            found[key] = (*found.get(key, ()), rule)
    return found
