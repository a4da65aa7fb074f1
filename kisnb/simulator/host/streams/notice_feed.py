"""The execution notices (체결통보) of the customer's own orders."""

from __future__ import annotations

from kisnb.clock import Ns
from kisnb.events import Notice
from kisnb.kis.credentials import Credentials
from kisnb.kis.feed import frames, notices
from kisnb.kis.masking import HIDDEN
from kisnb.simulator.host.account.orders import AccountOrder
from kisnb.simulator.host.personas import Persona
from kisnb.simulator.host.streams.outbox import Outbox
from kisnb.simulator.host.streams.sockets import Sockets
from kisnb.terms import OrderKind, Venue


class NoticeFeed:
    """Sends a notice of each change of an order to the client that has subscribed to notices."""

    def __init__(
        self, sockets: Sockets, outbox: Outbox, keys: Credentials, persona: Persona
    ) -> None:
        self._sockets = sockets
        self._outbox = outbox
        self._keys = keys
        self._persona = persona

    def send(self, now: Ns, notice: Notice, order: AccountOrder) -> None:
        """Send the notice, encrypted. Nothing is sent when no client has subscribed."""
        socket = self._sockets.holder
        if socket is None or socket.cipher is None:
            return
        hides_kind = notice.kind == "filled" and self._persona.notice_limit_always
        kind = OrderKind.LIMIT if hides_kind else order.kind
        more = notices.NoticeMore(
            self._keys.hts_id.reveal(),
            self._keys.full_account,
            order.qty,
            order.price,
            kind,
            order.item.name,
            by_router=order.venue is Venue.SOR,
        )
        columns = notices.encode_notice(notice, more, self._persona.notice_layout)
        tr_id = self._persona.notice_tr
        text = frames.encode(tr_id, [[socket.cipher.encrypt("^".join(columns))]], encrypted=True)
        # The first two columns are the HTS ID and the account number.
        recorded = frames.encode(tr_id, [[HIDDEN, HIDDEN, *columns[2:]]], encrypted=True)
        self._outbox.send(now, socket, tr_id, text, recorded)
