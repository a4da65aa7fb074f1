"""A person's actions at a simulated host beside the API: trade, halt, cut connections."""

from __future__ import annotations

from kisnb.exchange.halts import Level
from kisnb.exchange.happenings import Happening
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.access import Access
from kisnb.simulator.host.account.account import AccountRejected
from kisnb.simulator.host.account.brokerage import Brokerage
from kisnb.simulator.host.publisher import Publisher
from kisnb.simulator.host.streams.sockets import Outgoing
from kisnb.simulator.host.streams.streams import Streams
from kisnb.terms import Board, OrderKind, Side, Venue


class ByHand:
    """Acts on the market, the account and the connections of one host.

    If a method returns frames, the caller sends them.
    """

    def __init__(
        self,
        market: Market,
        brokerage: Brokerage,
        access: Access,
        streams: Streams,
        publisher: Publisher,
    ) -> None:
        self._market = market
        self._brokerage = brokerage
        self._access = access
        self._streams = streams
        self._publisher = publisher

    # trading, as from the phone app

    def trade(
        self, code: str, side: Side, qty: int, price: int | None, venue: Venue = Venue.KRX
    ) -> tuple[int, list[Outgoing]]:
        """Place an order on the same account. ``price`` None makes it a market order.

        Returns the order number and the frames. Raises AccountRejected.
        """
        # Clients learn of such an order from its notices alone.
        kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
        placed = self._brokerage.place(code, side, kind, qty, price or 0, venue)
        return placed.number, self._publish(placed.happenings)

    def cancel(self, number: int, qty: int | None = None) -> tuple[int, list[Outgoing]]:
        """Cancel ``qty`` shares of an order, or all its leaves when ``qty`` is None.

        Returns the number of the request to cancel and the frames. Raises AccountRejected.
        """
        placed = self._brokerage.cancel(number, qty)
        return placed.number, self._publish(placed.happenings)

    def refusal_text(self, rejected: AccountRejected) -> str:
        """Return the host's words for a refused order."""
        return self._brokerage.refusal(rejected).msg1

    # interruptions

    def halt(self, code: str) -> list[Outgoing]:
        """Stop a stock on both venues. Raises UnknownInstrument."""
        return self._publish(self._market.halt(code))

    def resume(self, code: str) -> list[Outgoing]:
        """End a halt by a call auction. Raises UnknownInstrument."""
        return self._publish(self._market.resume_trading(code))

    def break_circuit(self, board: Board, level: Level) -> list[Outgoing]:
        """Set off a level of a board's circuit breaker, on both venues."""
        return self._publish(self._market.break_circuit(board, level))

    # connections and tokens

    def cut(self, port: int | None = None) -> list[Outgoing]:
        """End the connection from this port of the client without a handshake; None ends all."""
        for socket in list(self._streams.sockets.open.values()):
            if port in (None, socket.port):
                self._streams.sockets.kill(self._market.now, socket)
        return self._streams.sockets.drain_frames()

    def expire_tokens(self) -> int:
        """End all access tokens now, and return their number."""
        return self._access.expire_tokens(self._market.now)

    def revoke_tokens(self) -> int:
        """Forget all access tokens now, and return their number."""
        return self._access.revoke_tokens()

    def _publish(self, happenings: list[Happening]) -> list[Outgoing]:
        self._publisher.publish(happenings)
        return self._streams.sockets.drain_frames()
