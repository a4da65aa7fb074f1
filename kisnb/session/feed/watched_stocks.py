"""The stocks whose trades and depth a session watches, and further channels of these stocks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from kisnb.errors import DeskLost
from kisnb.orders import Want
from kisnb.session.feed.link import Link
from kisnb.terms import Venue
from kisnb.trading.gate.risk import Rules
from kisnb.trading.ports.commands import Command, WatchCodes


class WatchedStocks:
    """The subscriptions of one session.

    The desk subscribes at KIS for all its sessions together.
    """

    def __init__(self, link: Link, rules: Rules) -> None:
        self._link = link
        self._rules = rules
        self._wants: dict[Want, None] = {}
        """The wants of the session, in the order in which they were asked for.

        Used as an ordered set.
        """
        self._looks: dict[object, tuple[Want, ...]] = {}
        """The further wants of each panel that shows one stock closely, by the panel."""

    def follow(self, *codes: str) -> None:
        """Subscribe to the trades and the depth of these stocks. Raises UnknownInstrument.

        Trades come from every venue that lists the stock, because the router compares venues. Depth
        comes from one venue at a time, which depends on the market session.
        """
        self.want([want for code in codes for want in self._of_stock(code)])

    def want(self, wants: Sequence[Want]) -> None:
        """Subscribe to more channels. A command goes to the desk only when one of them is new."""
        # Agents call this at each start, and each command makes the desk compare its subscriptions.
        # KIS blocks clients that subscribe and release in a loop (KIS's notices of 2026-02-24 and
        # 2026-05-18).
        if self._add(wants):
            self._link.submit(self.commands())

    def look_at(self, owner: object, code: str) -> None:
        """Watch one stock more closely: the depths of both venues, and KRX's call auctions.

        Each of these takes one of the 41 subscriptions of an appkey. So each ``owner`` can have
        only one such stock: another code replaces it, and an empty code ends it. Raises
        UnknownInstrument.
        """
        wants: tuple[Want, ...] = ()
        is_new = False
        if code:
            is_new = self._add(self._of_stock(code))
            trades = self._rules.trade_channels(self._rules.universe.spell(code))
            wants = (
                *(Want("depth", want.code, want.venue) for want in trades),
                *(Want("expected", want.code, Venue.KRX) for want in trades[:1]),
            )
        if not is_new and self._looks.get(owner, ()) == wants:
            return
        self._looks[owner] = wants
        # A lost desk cannot subscribe. The next desk gets all wants when the session attaches to
        # it.
        with suppress(DeskLost):
            self._link.submit([WatchCodes(self._all())])

    def _of_stock(self, code: str) -> list[Want]:
        code = self._rules.universe.spell(code)
        return [*self._rules.trade_channels(code), Want("depth", code, None)]

    def _add(self, wants: Sequence[Want]) -> bool:
        """Add wants to the list. Return True if any of them is new."""
        is_new = any(want not in self._wants for want in wants)
        self._wants.update(dict.fromkeys(wants))
        return is_new

    @property
    def codes(self) -> list[str]:
        """The stocks whose trades this session follows, in the order in which it asked."""
        return list(dict.fromkeys(want.code for want in self._wants if want.channel == "ticks"))

    def _all(self) -> tuple[Want, ...]:
        looks = (want for wants in self._looks.values() for want in wants)
        return tuple(dict.fromkeys((*self._wants, *looks)))

    def commands(self) -> list[Command]:
        """Return the one command that subscribes to all wants. Empty without wants."""
        # All wants are sent, because the desk replaces its list of this session's wants.
        return [WatchCodes(self._all())] if self._wants else []

    def trades(self) -> list[tuple[str, Venue]]:
        """Return code and venue of each subscription to trades."""
        return [
            (want.code, want.venue or Venue.KRX) for want in self._wants if want.channel == "ticks"
        ]
