"""Carries out commands of a session: in the core, or in the desk's process itself."""

from __future__ import annotations

from kisnb.desk.run.host import DeskHost
from kisnb.desk.serve.connection import Connection
from kisnb.desk.serve.desk_wants import DeskWants
from kisnb.desk.serve.event_feed import EventFeed
from kisnb.desk.serve.pacing import Pacing
from kisnb.desk.serve.published_leases import PublishedLeases
from kisnb.desk.serve.unreadable import RawCommands, Unreadable, pieces
from kisnb.events import CommandDropped, Event, Trouble
from kisnb.trading.order_books.order_book import is_of_desk
from kisnb.trading.ports.commands import (
    Command,
    FastForward,
    Idle,
    ReleaseAgent,
    ReviseOrder,
    Submit,
    WatchCodes,
)
from kisnb.trading.ports.effects import StocksWanted

CHECK = "check the values of the call; after an update of kisnb restart the kernel"


class SessionCommands:
    """Carries out the commands of sessions."""

    def __init__(
        self,
        host: DeskHost,
        feed: EventFeed,
        leases: PublishedLeases,
        subscriptions: DeskWants,
        pacing: Pacing,
    ) -> None:
        self._host = host
        self._feed = feed
        self._leases = leases
        self._subscriptions = subscriptions
        self._pacing = pacing

    def execute(self, connection: Connection, command: Command) -> None:
        """Carry out one command of a session."""
        match command:
            # Some orders are known by their keys: the sells of a flatten pass a halt, an exit
            # cancels all orders except its own, and a requote counts its orders. So no session may
            # use such a key.
            case Submit(intent=intent) | ReviseOrder(intent=intent) if is_of_desk(intent):
                why = "the key of an order may not begin with 'flatten:', 'exit:' or 'requote:'"
                self.refuse(connection, Unreadable(type(command).__name__, why, intent.key))
            case WatchCodes(wants=wants):
                connection.wants = wants
                self._subscriptions.update()
                # The key of a record may be something other than a stock: an index, a future.
                codes = dict.fromkeys(want.code for want in wants if want.code and not want.tr_id)
                self._host.submit(StocksWanted(tuple(codes)))
            case Idle():
                self._on_idle(connection, command)
            case FastForward(on=on):
                connection.hurry = on
                self._pacing.update()
            case ReleaseAgent(agent=agent):
                self._leases.release(connection, agent)
            # Commands about orders, agents and exits go to the core.
            case _:
                self._host.submit(command)

    def execute_readable(self, connection: Connection, raw: RawCommands) -> None:
        """Carry out each readable command. Unreadable ones are reported only to their sender."""
        for piece in pieces(raw):
            if isinstance(piece, Unreadable):
                self.refuse(connection, piece)
            else:
                self.execute(connection, piece)

    def refuse(self, connection: Connection, refused: Unreadable) -> None:
        """Report to one session that its command was not carried out. Its order is dropped."""
        now, known = self._host.clock.now(), self._host.core.state.books.orders
        events: list[Event] = [Trouble(now, f"{refused.text}; it was not carried out")]
        # If the desk has an order with this key, that order stays as it is.
        if refused.key and (refused.cancels or refused.key not in known):
            events.append(CommandDropped(now, refused.key, refused.text, CHECK))
        self._feed.publish_to(connection, tuple(events))

    def _on_idle(self, connection: Connection, idle: Idle) -> None:
        connection.handled, connection.wake = idle.seq, idle.wake
        connection.waiting = idle.waiting
        conductor = self._feed.conductor
        if conductor is not None:
            # -1 comes from a session with a handler that awaits something from outside. The session
            # runs, but has not caught up.
            if idle.seq >= 0:
                conductor.caught_up(connection.name)
            conductor.wake()
