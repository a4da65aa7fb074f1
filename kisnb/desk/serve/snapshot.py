"""Makes the snapshot of the desk's state for a session that attaches."""

from __future__ import annotations

from typing import NamedTuple

from kisnb.clock import SimulatedClock
from kisnb.desk.run.host import DeskHost
from kisnb.desk.serve.protocol import Hello
from kisnb.terms import Mode
from kisnb.trading.ports.desk_port import Lease, Snapshot


class DeskName(NamedTuple):
    """Identifies a desk: its mode, its label for people, and the day or account that it serves."""

    mode: Mode
    label: str
    run: str
    """The run to which journal and keys belong: a simulated day, or a digest of the account."""


def snapshot(
    host: DeskHost, name: DeskName, leases: tuple[Lease, ...], seq: int, hello: Hello
) -> Snapshot:
    """Return the desk's state after event ``seq`` with all rows.

    A session that was attached to the same run gets only the rows that it has not received.
    """
    now, clock = host.clock.now(), host.clock
    # The numbers of rows belong to a run. A session of another run has none of ours, so it gets
    # all.
    first, rows = host.journal.published_after(hello.published if hello.run == name.run else 0)
    return Snapshot(
        seq,
        now,
        name.mode,
        name.label,
        clock.speed if isinstance(clock, SimulatedClock) else 1.0,
        name.run,
        host.broker.capabilities,
        host.core.gate.limits,
        first,
        host.journal.published,
        rows,
        leases,
        host.core.rules.days.all(),
        host.core.rules.costs,
    )
