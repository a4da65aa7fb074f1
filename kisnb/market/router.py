"""Where an order goes, and why: KRX, Nextrade, or nowhere.

``resolve_for_ranking`` and ``resolve_for_order`` answer from labels and numbers. ``route`` is the one that feeds an
order: it asks the table of order rules first, so that no venue is chosen that would not take the order.
"""

from __future__ import annotations

import logging
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
from kisnb.market.routing_costs import WhatIf, reference_price, what_if
from kisnb.market.routing_evidence import DepthSeen, Evidence, EvidenceLog
from kisnb.market.uncertain import Assumed
from kisnb.orders import Intent, Route
from kisnb.terms import Phase, SessionId, Side, Venue

log = logging.getLogger("kisnb.routing")

Reason: TypeAlias = Literal[
    "dual_listing_spread",
    "dual_listing_liquidity",
    "fallback_data_unavailable",
    "session_default",
    "only_legal_venue",
    "venue_given",
]

_DEFAULT: dict[str, Venue] = {
    SessionId.KRX_REG: Venue.KRX, SessionId.KR_OFF: Venue.KRX,
    SessionId.NXT_PRE: Venue.NXT, SessionId.NXT_AFTER: Venue.NXT,
}  # fmt: skip


class Resolution(msgspec.Struct, frozen=True, gc=False):
    """A venue (KRX, NXT), and why."""

    exchange_code: str
    reason: str


_RANKING: dict[str, str] = {
    session: "NX" if venue is Venue.NXT else "J" for session, venue in _DEFAULT.items()
}
_RESOLUTIONS = {
    (venue, reason): Resolution(str(venue), reason)
    for venue in Venue
    for reason in get_args(Reason)
}


class RouterView(Protocol):
    """What the router looks at."""

    @property
    def now(self) -> Ns: ...
    @property
    def instrument(self) -> Instrument: ...
    def depth(self, venue: Venue) -> Depth | None: ...


class MarketSnapshot(msgspec.Struct, frozen=True):
    """A view that stands still: one issue and the books of the venues that show one."""

    now: Ns
    instrument: Instrument
    depths: tuple[Depth, ...] = ()

    def depth(self, venue: Venue) -> Depth | None:
        return next((depth for depth in self.depths if depth.venue is venue), None)


class Routed(Route, frozen=True):
    """A route that carries its evidence."""

    evidence: Evidence

    @property
    def plain(self) -> Route:
        """Venue, kind and reason alone, as the journal keeps them beside the evidence."""
        return Route(self.venue, self.kind, self.reason)

    def __repr__(self) -> str:
        return f"<Route {self.venue} {self.kind}: {self.reason}>"

    def _repr_html_(self) -> str:
        return self.evidence._repr_html_()


class NotRouted(msgspec.Struct, frozen=True):
    """No venue takes the order now: why, and the cure."""

    reason: str
    cure: str
    evidence: Evidence

    def __repr__(self) -> str:
        return f"<Refused: {self.reason}. {self.cure[:1].upper()}{self.cure[1:]}.>"

    def _repr_html_(self) -> str:
        return self.evidence._repr_html_()


class Router:
    """Decides, and keeps the evidence of its newest decisions."""

    def __init__(
        self, costs: CostModel = BANKIS, assumed: Assumed = None, *, stale_after: Ns = 60 * SECOND,
        kept: int = 1_000, venues: tuple[Venue, ...] = (Venue.KRX, Venue.NXT), kinds: Offered = None,
    ) -> None:  # fmt: skip
        self.costs = costs
        self.assumed = assumed
        self.venues = tuple(v for v in venues if v is not Venue.SOR)
        """Venues that are chosen from; the smart order router is used only when an intent names it."""
        self.kinds = kinds
        """Kinds that can be sent from here; None: all. A cure names no other one."""
        self.stale_after = stale_after
        """A book that is older counts as missing, and decides nothing."""
        self.decisions = EvidenceLog(kept)

    @staticmethod
    def resolve_for_ranking(session_id: SessionId | str) -> str:
        """Return the market code of ranking requests.

        It is ``"J"`` in KRX_REG and KR_OFF, ``"NX"`` in Nextrade's sessions. Raises BadInput.
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
        """The venue by session, spread (won) and liquidity (shares), masked by the session alone. Raises BadInput.

        Missing are None, negative and infinite spreads, and liquidity that is not above 0. Nextrade is chosen in
        KRX_REG only for a spread that is strictly tighter, or for a deeper book when a spread is missing.
        """
        default = _DEFAULT.get(session_id)
        if default is None:
            raise _no_session(session_id)
        if not is_dual_listed:
            return _RESOLUTIONS[default, "session_default"]
        venue, reason = _compared(default, spread_krx, spread_nxt, liquidity_krx, liquidity_nxt)
        if session_id != "KRX_REG" and venue is not default:
            return _RESOLUTIONS[default, "session_default"]
        return _RESOLUTIONS[venue, reason]

    def what_if(self, intent: Intent, view: RouterView) -> tuple[WhatIf, ...]:
        """The expected cost of ``intent`` on each venue, whatever venue it names; nothing is decided."""
        depths = self._fresh(view.now, _depths(view))
        return what_if(view.now, intent, view.instrument, depths, self.costs, self.assumed)

    def route(self, intent: Intent, view: RouterView) -> Routed | NotRouted:
        """The venue that takes ``intent`` now, with the kind that it takes it as; or why there is none.

        A venue that the intent names is kept or refused, never replaced. Raises BadInput for another issue's view.
        """
        decided = self.preview(intent, view)
        self._keep(decided.evidence)
        return decided

    def preview(self, intent: Intent, view: RouterView) -> Routed | NotRouted:
        """What ``route`` would answer; nothing is kept and nothing logged."""
        now, item = view.now, view.instrument
        if item.code != intent.code:
            raise BadInput(
                f"the view is of {item.code}, the order of {intent.code}",
                "show the router that issue",
            )
        session = sessions.session_id(now)
        wanted = (intent.venue,) if intent.venue else self.venues
        answers = {
            venue: taken_as(now, venue, intent.kind, item, self.assumed, self.kinds)
            for venue in wanted
        }
        takers = {
            venue: kind for venue, (kind, verdict) in answers.items() if verdict and not item.halted
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

    def unseen(self, intent: Intent, view: RouterView) -> tuple[Venue, ...]:
        """Venues between which the books would decide, and which show none that is fresh: worth a question first."""
        if intent.venue is not None or not view.instrument.nxt:
            return ()
        now, item = view.now, view.instrument
        takers = [
            v
            for v in self.venues
            if taken_as(now, v, intent.kind, item, self.assumed, self.kinds)[1]
        ]
        if len(takers) < 2 or any(
            sessions.phase(v, now, self.assumed) is not Phase.CONTINUOUS for v in takers
        ):
            return ()
        fresh = self._fresh(now, _depths(view))
        return tuple(v for v in takers if v not in fresh)

    def blank(self, view: RouterView) -> tuple[Venue, ...]:
        """Venues that trade the issue continuously now and show no fresh book: without them a cost cannot be told."""
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
        if any(
            sessions.phase(venue, view.now, self.assumed) is not Phase.CONTINUOUS
            for venue in takers
        ):
            return default, "session_default"
        depths = self._fresh(view.now, _depths(view))
        krx, nxt = depths.get(Venue.KRX), depths.get(Venue.NXT)
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
        seen = tuple(DepthSeen.of(depth, now) for depth in depths.values())
        reference = reference_price(now, fresh, self.assumed)
        return Evidence(now, intent, session, venue, reason, cure, seen, table, reference)

    def _keep(self, evidence: Evidence) -> None:
        self.decisions.add(evidence)
        exchange = str(evidence.venue or "none")
        log.info(
            "KR routing resolved session_id=%s exchange=%s reason=%s", evidence.session_id, exchange, evidence.reason,
            extra={"session_id": str(evidence.session_id), "exchange": exchange, "reason": evidence.reason},
        )  # fmt: skip


def _compared(
    default: Venue, spread_krx: float | None, spread_nxt: float | None,
    liquidity_krx: float | None, liquidity_nxt: float | None,
) -> tuple[Venue, Reason]:  # fmt: skip
    """The tighter venue, else the deeper one, else the default."""
    if (
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
    """Shares that the order could take within the levels that both venues show; None for a one-sided book."""
    if depth is None or not depth.asks or not depth.bids:
        return None
    return sum(qty for _, qty in (depth.asks if side is Side.BUY else depth.bids)[:levels])


def _refusal(
    item: Instrument, session: SessionId, verdicts: dict[Venue, Verdict]
) -> tuple[str, str]:
    if item.halted:
        return f"{item.name} ({item.code}) is halted", "wait until the exchange lifts the halt"
    why = "; ".join(verdict.why_not for verdict in verdicts.values())
    able = [v for v in verdicts if v is Venue.KRX or item.nxt] or list(verdicts)
    first = _DEFAULT[session] if _DEFAULT[session] in able else able[0]
    return why, verdicts[first].cure


def _no_session(session_id: object) -> BadInput:
    return BadInput(f"{session_id!r} is no session id", f"use one of {', '.join(SessionId)}")
