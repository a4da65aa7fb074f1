"""A back-test over a recorded day: from the file to the record of the run."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from kisnb import values
from kisnb.backtesting.given import CASH
from kisnb.backtesting.run_record import RunRecord
from kisnb.backtesting.run_words import costs_in_words, parameters_in_words, tape_assumptions
from kisnb.backtesting.stuck import stuck_handlers_end
from kisnb.backtesting.tape.tape_feed import read_tape_feed
from kisnb.backtesting.tape.tape_run import TapeRun
from kisnb.clock import SECOND, kst_day
from kisnb.config import load_config
from kisnb.errors import BadInput
from kisnb.market.costs import CostModel, read_fees
from kisnb.market.flows import FlowTable
from kisnb.market.universe import Universe
from kisnb.paths import data_dir
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.ports.limits import Limits


def tape_record(
    agent: Agent,
    recording: str | Path,
    *,
    limits: Limits | None = None,
    costs: CostModel | None = None,
    cash: int | None = None,
    latency: float = 0.0,
    universe: Universe | None = None,
    patience: float = 60.0,
    as_new: bool = False,
    flows: FlowTable | None = None,
) -> RunRecord:
    """Run an agent over a recorded day (``kisnb sim --record day.tape``).

    ``recording`` is a tape of the simulator or of a desk, or a recording of KIS's messages. The tax
    is the tax of that day. ``costs`` gives the commission; None uses the setting ``fees``. ``cash``
    is the account's cash in won; None: it is not checked. If orders reached the recorded server,
    the tape shows their effect, and the tape's depth contains our own shares (``tape_market``).
    With ``as_new`` the orders in the tape count as somebody else's, and the agent's orders are not
    among them. Raises ConfigError for a wrong setting, BadInput for a file without trades and for
    an agent without a stock code, and RuntimeError with the agent's traceback when the agent fails.
    """
    charged = read_fees(load_config().fees) if costs is None else costs
    behind, feed = int(values.seconds(latency, "latency") * SECOND), read_tape_feed(Path(recording))
    parameters = parameters_in_words(agent)
    has_orders = feed.has_orders and not as_new
    batches = (batch for batch in feed.batches() if has_orders or batch[3] is None)
    # The first trade shows the day of the tape. The issues and limits are those of that day.
    first = next((batch for batch in batches if batch[1]), None)
    if first is None:
        raise BadInput(
            f"{recording} holds no trades", "record the market with: kisnb sim --record day.tape"
        )
    loops = frozenset({AgentRunner.act.__code__})
    with stuck_handlers_end(values.seconds(patience, "patience"), loops, lambda: agent.note):
        run = TapeRun(
            agent, universe or Universe.load(data_dir(), kst_day(first[0])), first[0], limits,
            charged, cash=cash, own_in_tape=has_orders, latency=behind,
            flows=flows,
        )  # fmt: skip
        for batch in chain((first,), batches):
            run.play(batch)
        run.end()
    won = CASH if cash is None else cash
    return RunRecord(
        agents=(run.runner.id,),
        books=run.books,
        equity=run.curve.equity(won),
        bars=run.curve.bars(),
        first=kst_day(first[0]),
        last=kst_day(run.now),
        cash=won,
        costs=costs_in_words(charged),
        assumptions=tape_assumptions(
            latency,
            has_orders=has_orders,
            has_limits=limits is not None,
            has_cash=cash is not None,
        ),
        parameters=(parameters,),
    )


__all__ = ["tape_record"]
