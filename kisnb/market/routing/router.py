"""Chooses the venue of an order, KRX or Nextrade, and gives the reason.

``resolve_for_ranking`` and ``resolve_for_order`` answer from labels and numbers. The desk uses
``route``: it asks the table of order rules first, so it never chooses a venue that would refuse the
order.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from math import inf
from typing import Literal, Protocol, TypeAlias, get_args

import msgspec

from kisnb.clock import SECOND, Ns
from kisnb.errors import BadInput
from kisnb.events import Depth
from kisnb.market import sessions
from kisnb.market.costs import BANKIS, CostModel
from kisnb.market.instruments import Instrument
from kisnb.market.order_rules import Offered, Verdict, taken_as
from kisnb.market.routing.costs import WhatIf, reference_price, what_if
from kisnb.market.routing.evidence import DepthSeen, Evidence, EvidenceLog
from kisnb.market.uncertain import Assumed
from kisnb.orders import Intent, Route
from kisnb.terms import Phase, SessionId, Side, Venue

log = logging.getLogger("kisnb.routing")

Reason: TypeAlias = Literal[
    "dual_listing_spread",
    "dual_listing_liquidity",
    "dual_listing_cost",
    "fallback_data_unavailable",
    "session_default",
    "only_legal_venue",
    "venue_given",
]

REASONS: dict[str, str] = {
    "dual_listing_spread": "both venues take the order, and this one has the tighter spread; "
    "with equal spreads it is the usual venue of this part of the day",
    "dual_listing_liquidity": "both venues take the order, the spreads cannot be compared, and "
    "this one shows more shares",
    "dual_listing_cost": "both venues take the order, and slippage, fee and tax together are lower "
    "at this one (setting routing)",
    "fallback_data_unavailable": "both venues take the order, and bids and asks of both were not "
    "known or too old; it is the usual venue of this part of the day",
    "session_default": "it is the usual venue of this part of the day, and nothing else decided",
    "only_legal_venue": "it alone takes the order now",
    "venue_given": "the order names it",
}
"""The meaning of each reason, for people."""

# Venue by session id when nothing else decides.
_DEFAULT: dict[str, Venue] = {
    SessionId.KRX_REG: Venue.KRX,
    SessionId.KR_OFF: Venue.KRX,
    SessionId.NXT_PRE: Venue.NXT,
    SessionId.NXT_AFTER: Venue.NXT,
}


class Resolution(msgspec.Struct, frozen=True, gc=False):
    """A venue and the reason for it."""

    exchange_code: str
    """``KRX`` or ``NXT``."""
    reason: str
    """One of ``Reason``."""


# FID_COND_MRKT_DIV_CODE of KIS's ranking calls: they know J (KRX) and NX, and no unified market.
_RANKING: dict[str, str] = {
    session: "NX" if venue is Venue.NXT else "J" for session, venue in _DEFAULT.items()
}
_RESOLUTIONS = {
    (venue, reason): Resolution(str(venue), reason)
    for venue in Venue
    for reason in get_args(Reason)
}


class RouterView(Protocol):
    """The facts of one issue from which the router decides."""

    @property
    def now(self) -> Ns:
        """The moment of the decision."""

    @property
    def instrument(self) -> Instrument:
        """The issue."""

    def depth(self, venue: Venue) -> Depth | None:
        """Return the newest depth of a venue; None when there is none."""


class MarketSnapshot(msgspec.Struct, frozen=True):
    """A ``RouterView`` that does not change: one issue and its depth on each venue."""

    now: Ns
    instrument: Instrument
    depths: tuple[Depth, ...] = ()

    def depth(self, venue: Venue) -> Depth | None:
        """Return the depth of a venue; None when there is none."""
        return next((depth for depth in self.depths if depth.venue is venue), None)


class Routed(Route, frozen=True):
    """A route that carries its evidence."""

    evidence: Evidence

    @property
    def plain(self) -> Route:
        """The route without its evidence. The journal stores the two separately."""
        return Route(self.venue, self.kind, self.reason)

    @property
    def sentence(self) -> str:
        """The decision as a sentence: its reason, and the cost at the other venue."""
        return self.evidence.sentence

    def __repr__(self) -> str:
        return f"<Route {self.venue} {self.kind}: {self.reason}>"

    def _repr_html_(self) -> str:
        return self.evidence._repr_html_()


class NotRouted(msgspec.Struct, frozen=True):
    """The router's answer when no venue accepts the order now."""

    reason: str
    cure: str
    evidence: Evidence

    def __repr__(self) -> str:
        return f"<Refused: {self.reason}. {self.cure[:1].upper()}{self.cure[1:]}.>"

    def _repr_html_(self) -> str:
        return self.evidence._repr_html_()


class Router:
    """Chooses venues and keeps the evidence of its newest decisions.

    The venue of an order is chosen by the first of these that decides:

    1. The venue that the intent names. When it refuses the order, no other venue is tried.
    2. The only venue that accepts the order now.
    3. The session id's default venue, when a venue does not trade continuously now.
    4. With ``by_cost``: the lower whole cost (slippage, fee, tax), when both venues show fresh
       depth and match the same number of shares at once.
    5. The tighter spread.
    6. The larger number of shares within the levels that both venues show.
    7. The session id's default venue.
    """

    def __init__(
        self,
        costs: CostModel = BANKIS,
        assumed: Assumed = None,
        *,
        stale_after: Ns = 60 * SECOND,
        kept: int = 1_000,
        venues: tuple[Venue, ...] = (Venue.KRX, Venue.NXT),
        kinds: Offered = None,
        by_cost: bool = False,
    ) -> None:
        self.costs = costs
        self.assumed = assumed
        self.venues = tuple(v for v in venues if v is not Venue.SOR)
        """Venues to choose from. SOR is used only when an intent names it."""
        self.kinds = kinds
        """Kinds that can be sent over the connection; None: all. A cure names only these."""
        self.by_cost = by_cost
        """True: the whole cost is compared before spread and shares (setting ``routing``)."""
        self.stale_after = stale_after
        """Nanoseconds. An older depth counts as missing and decides nothing."""
        self.decisions = EvidenceLog(kept)
        """Evidence of the newest decisions, at most ``kept``."""

    @staticmethod
    def resolve_for_ranking(session_id: SessionId | str) -> str:
        """Return the market code of ranking requests.

        It is ``"J"`` in KRX_REG and KR_OFF, ``"NX"`` in Nextrade's sessions. Raises BadInput for a
        text that is not a session id.
        """
        found = _RANKING.get(session_id)
        if found is None:
            raise _no_session(session_id)
        return found

    @staticmethod
    def resolve_for_order(
        *,
        stock_code: str,  # noqa: ARG004
        session_id: SessionId | str,
        is_dual_listed: bool = False,
        spread_krx: float | None = None,
        spread_nxt: float | None = None,
        liquidity_krx: float | None = None,
        liquidity_nxt: float | None = None,
    ) -> Resolution:
        """Return the venue by session id, spreads (won) and liquidity (shares).

        A spread is missing when it is None, negative or infinite. Liquidity is missing when it is
        not above 0. In KRX_REG, Nextrade is chosen for a strictly tighter spread, or for more
        liquidity when a spread is missing. In the other sessions the default venue is kept.
        Raises BadInput for a text that is not a session id.
        """
        default = _DEFAULT.get(session_id)
        if default is None:
            raise _no_session(session_id)
        if not is_dual_listed:
            return _RESOLUTIONS[default, "session_default"]
        venue, reason = _compared(default, spread_krx, spread_nxt, liquidity_krx, liquidity_nxt)
        # In the other sessions a comparison may confirm the default venue, and then gives the
        # reason. It never replaces the venue.
        if session_id != "KRX_REG" and venue is not default:
            return _RESOLUTIONS[default, "session_default"]
        return _RESOLUTIONS[venue, reason]

    def what_if(self, intent: Intent, view: RouterView) -> tuple[WhatIf, ...]:
        """Return the expected cost of ``intent`` on each venue. Nothing is decided.

        The venue that the intent names does not matter.
        """
        depths = self._fresh(view.now, _depths(view))
        return what_if(view.now, intent, view.instrument, depths, self.costs, self.assumed)

    def route(self, intent: Intent, view: RouterView) -> Routed | NotRouted:
        """Return the venue and kind with which ``intent`` is sent now, or why no venue accepts it.

        The evidence is added to ``decisions`` and logged. Raises BadInput when the view is of
        another issue.
        """
        decided = self.preview(intent, view)
        self._keep(decided.evidence)
        return decided

    def preview(self, intent: Intent, view: RouterView) -> Routed | NotRouted:
        """Return the answer that ``route`` would give, without a record and without a log line."""
        now, item = view.now, view.instrument
        if item.code != intent.code:
            raise BadInput(
                f"the view is of {item.code}, the order of {intent.code}",
                "show the router that issue",
            )
        session = sessions.session_id(now)
        # A venue that a person names is never replaced, not even by the only one that is open.
        wanted = (intent.venue,) if intent.venue else self.venues
        answers = {
            venue: taken_as(now, venue, intent.kind, item, self.assumed, self.kinds)
            for venue in wanted
        }
        takers = {
            # A halt of KRX halts Nextrade at once (Nextrade's rules), so no venue takes a halted
            # issue.
            venue: kind
            for venue, (kind, verdict) in answers.items()
            if verdict and not item.halted
        }
        if takers:
            venue, reason = self._chosen(intent, view, session, tuple(takers))
            return Routed(
                venue, takers[venue], reason, self._evidence(intent, view, session, venue, reason)
            )
        why, cure = _refusal(
            item, session, {venue: verdict for venue, (_, verdict) in answers.items()}
        )
        return NotRouted(why, cure, self._evidence(intent, view, session, None, why, cure))

    def depths_needed(self, intent: Intent, view: RouterView) -> tuple[Venue, ...]:
        """Return the venues whose depth would decide the route, but is missing or old.

        The desk asks KIS for these depths before it routes. Empty when no depth would decide it.
        """
        if intent.venue is not None or not view.instrument.nxt:
            return ()
        now, item = view.now, view.instrument
        takers = [
            v
            for v in self.venues
            if taken_as(now, v, intent.kind, item, self.assumed, self.kinds)[1]
        ]
        # When one venue accepts the order, there is nothing to choose. In an auction bids and asks
        # cross, so a depth would decide nothing.
        if len(takers) < 2 or any(
            sessions.phase(v, now, self.assumed) is not Phase.CONTINUOUS for v in takers
        ):
            return ()
        fresh = self._fresh(now, _depths(view))
        return tuple(v for v in takers if v not in fresh)

    def depths_missing(self, view: RouterView) -> tuple[Venue, ...]:
        """Return the venues that trade the issue continuously now and show no fresh depth.

        Without fresh depth the cost of an order is not known.
        """
        now, fresh = view.now, self._fresh(view.now, _depths(view))
        listing = [v for v in self.venues if v is Venue.KRX or view.instrument.nxt]
        return tuple(
            v
            for v in listing
            if v not in fresh and sessions.phase(v, now, self.assumed) is Phase.CONTINUOUS
        )

    def _chosen(
        self, intent: Intent, view: RouterView, session: SessionId, takers: tuple[Venue, ...]
    ) -> tuple[Venue, Reason]:
        default = _DEFAULT[session]
        if intent.venue:
            return intent.venue, "venue_given"
        if len(takers) == 1:
            return takers[0], "session_default" if takers[0] is default else "only_legal_venue"
        # In an auction bids and asks cross, so spreads and shares of the depths are not comparable.
        if any(
            sessions.phase(venue, view.now, self.assumed) is not Phase.CONTINUOUS
            for venue in takers
        ):
            return default, "session_default"
        depths = self._fresh(view.now, _depths(view))
        krx, nxt = depths.get(Venue.KRX), depths.get(Venue.NXT)
        if self.by_cost and krx is not None and nxt is not None:
            table = self.what_if(intent, view)
            if (cheaper := _cheaper(default, table)) is not None:
                return cheaper, "dual_listing_cost"
        # A venue that shows more levels is not deeper for that alone.
        shown = min(_levels(krx, intent.side), _levels(nxt, intent.side))
        return _compared(
            default,
            _spread(krx),
            _spread(nxt),
            _shares(krx, intent.side, shown),
            _shares(nxt, intent.side, shown),
        )

    def _fresh(self, now: Ns, depths: dict[Venue, Depth]) -> dict[Venue, Depth]:
        return {
            venue: depth
            for venue, depth in depths.items()
            # KIS's times are whole seconds of another clock, so our own time of receipt counts.
            if now - (depth.received or depth.t) <= self.stale_after
        }

    def _evidence(
        self,
        intent: Intent,
        view: RouterView,
        session: SessionId,
        venue: Venue | None,
        reason: str,
        cure: str = "",
    ) -> Evidence:
        now, depths = view.now, _depths(view)
        fresh = self._fresh(now, depths)
        table = what_if(now, intent, view.instrument, fresh, self.costs, self.assumed)
        # Depths that were too old are shown as well: their age explains why they decided nothing.
        seen = tuple(DepthSeen.of(depth, now) for depth in depths.values())
        reference = reference_price(now, fresh, self.assumed)
        return Evidence(now, intent, session, venue, reason, cure, seen, table, reference)

    def _keep(self, evidence: Evidence) -> None:
        self.decisions.add(evidence)
        exchange = str(evidence.venue or "none")
        log.info(
            "KR routing resolved session_id=%s exchange=%s reason=%s",
            evidence.session_id,
            exchange,
            evidence.reason,
            extra={
                "session_id": str(evidence.session_id),
                "exchange": exchange,
                "reason": evidence.reason,
            },
        )


def _compared(
    default: Venue,
    spread_krx: float | None,
    spread_nxt: float | None,
    liquidity_krx: float | None,
    liquidity_nxt: float | None,
) -> tuple[Venue, Reason]:
    """Return the venue with the tighter spread, else with more liquidity, else the default."""
    if (
        # An infinite or negative spread means a depth that is broken or empty.
        spread_krx is not None
        and spread_nxt is not None
        and 0 <= spread_krx < inf
        and 0 <= spread_nxt < inf
    ):
        return _less(spread_krx, spread_nxt, default), "dual_listing_spread"
    if (
        liquidity_krx is not None
        and liquidity_nxt is not None
        and 0 < liquidity_krx < inf
        and 0 < liquidity_nxt < inf
    ):
        return _less(liquidity_nxt, liquidity_krx, default), "dual_listing_liquidity"
    return default, "fallback_data_unavailable"


def _cheaper(default: Venue, table: Iterable[WhatIf]) -> Venue | None:
    """Return the venue with the lower whole cost, ``default`` when both cost the same.

    None when the costs cannot be compared: one is not known, or fewer shares match at once at one
    of the venues. Shares that wait cost nothing yet, so that venue would only seem cheaper.
    """
    rows = {row.venue: row for row in table}
    krx, nxt = rows[Venue.KRX], rows[Venue.NXT]
    if krx.cost is None or nxt.cost is None or krx.at_once != nxt.at_once:
        return None
    return _less(krx.cost, nxt.cost, default)


def _less(krx: float, nxt: float, tie: Venue) -> Venue:
    return tie if krx == nxt else Venue.KRX if krx < nxt else Venue.NXT


def _depths(view: RouterView) -> dict[Venue, Depth]:
    return {
        venue: depth for venue in (Venue.KRX, Venue.NXT) if (depth := view.depth(venue)) is not None
    }


def _spread(depth: Depth | None) -> int | None:
    return depth.asks[0][0] - depth.bids[0][0] if depth and depth.asks and depth.bids else None


def _levels(depth: Depth | None, side: Side) -> int:
    return len(depth.asks if side is Side.BUY else depth.bids) if depth else 0


def _shares(depth: Depth | None, side: Side, levels: int) -> int | None:
    """Return the shares that an order of ``side`` may take in the best ``levels`` levels.

    None for a depth with one side only.
    """
    if depth is None or not depth.asks or not depth.bids:
        return None
    return sum(qty for _, qty in (depth.asks if side is Side.BUY else depth.bids)[:levels])


def _refusal(
    item: Instrument, session: SessionId, verdicts: dict[Venue, Verdict]
) -> tuple[str, str]:
    if item.halted:
        why = f"the exchange has halted trading in {item.name} ({item.code})"
        return why, "wait until the exchange lifts the halt"
    why = "; ".join(verdict.why_not for verdict in verdicts.values())
    # One cure is enough. The cure of the session id's default venue is the most likely to help.
    able = [v for v in verdicts if v is Venue.KRX or item.nxt] or list(verdicts)
    first = _DEFAULT[session] if _DEFAULT[session] in able else able[0]
    return why, verdicts[first].cure


def _no_session(session_id: object) -> BadInput:
    return BadInput(
        f"{session_id!r} is not a valid session id", f"use one of {', '.join(SessionId)}"
    )
