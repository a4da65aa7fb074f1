"""A back-test over a tape has the result of a back-test over bars. (H06, O13)"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

import kisnb
from kisnb.backtesting.results.result import BacktestResult
from kisnb.clock import KST, SECOND
from kisnb.errors import BadInput
from kisnb.events import Tick
from kisnb.guards import Guards
from kisnb.history.tape.frames import minute_frame
from kisnb.history.tape.reader import read_tape
from kisnb.orders import Order
from kisnb.simulator.serve.command import main
from kisnb.terms import Side, Venue

CODE = "005930"
CASH = 30_000_000


class Turns(kisnb.Agent):
    """Buys and sells in turn, every hundredth trade, and remembers when it decided."""

    code: str = CODE

    def on_start(self) -> None:
        self.ticks = 0
        self.mine: list[Order] = []

    def on_tick(self, tick: Tick) -> None:
        self.ticks += 1
        if self.ticks % 100 == 0:
            held = self.held()
            self.mine.append(self.sell(held) if held else self.buy(20))


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of one stock: the first hour of a day's regular session."""
    path = tmp_path_factory.mktemp("tape") / "day.tape"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KISNB_DATA", raising=False)
        options = ["--seed", "7", "--date", "2026-11-20", "--start", "09:00:00"]
        more = ["--until", "10:00:00", "--codes", CODE, "--record", str(path)]
        assert main([*options, *more]) == 0
    return path


@pytest.fixture(scope="module")
def result(day: Path) -> BacktestResult:
    return kisnb.backtest(Turns(), day, cash=CASH, costs="bankis")


def test_h06_o13_a_tape_gives_the_frames_statistics_and_figures_of_a_run_over_bars(
    result: BacktestResult, day: Path, tmp_path: Path
) -> None:
    assert isinstance(result, BacktestResult)
    assert result.fills.height > 10
    assert (result.record.first, result.record.last) == (date(2026, 11, 20),) * 2
    fills = result.fills
    signed = pl.when(pl.col("side") == "buy").then(-pl.col("value")).otherwise("value")
    flow = fills.select((signed - pl.col("fee") - pl.col("tax")).sum()).item()
    last = [e for e in read_tape(day, [CODE]) if isinstance(e, Tick) and e.venue is Venue.KRX][-1]
    held = result.book.position(CODE).qty
    (end,) = result.daily["equity"]
    assert end == CASH + flow + held * last.price == result.value("final equity")
    assert result.value("fills") == fills.height
    assert result.value("costs paid") == fills["fee"].sum() + fills["tax"].sum()
    assert set(result.figures()) == {"equity", "drawdown", "monthly", CODE}
    assert len(result.figures()["equity"].data[0].x) == result.equity.height == 60
    page = result.report(tmp_path / "day.html").path.read_text()
    assert "Turns" in page
    assert "09:3" in page
    assert "waits behind the shares that stood at its price" in page


def test_h06_the_equity_of_a_tape_is_noted_each_minute_to_the_won(result: BacktestResult) -> None:
    bars = result.bars
    for time, cash, holdings, whole, _ in result.equity.iter_rows():
        # A minute without a trade, as in an interruption, leaves the price as it was.
        price = bars.filter(pl.col("time") < time)["close"][-1]
        before = result.fills.filter(pl.col("time") < time)
        signed = pl.when(pl.col("side") == "buy").then(pl.col("quantity")).otherwise(
            -pl.col("quantity")
        )  # fmt: skip
        value = (signed * pl.col("price")).sum() + pl.col("fee").sum() + pl.col("tax").sum()
        assert cash == CASH - before.select(value).item()
        assert holdings == before.select(signed.sum()).item() * price
        assert whole == cash + holdings


def test_h06_the_bars_of_a_tape_are_the_minutes_of_its_trades(
    result: BacktestResult, day: Path
) -> None:
    theirs = minute_frame(day, [CODE], Venue.KRX)
    for name in ("open", "high", "low", "close", "volume"):
        assert result.bars[name].to_list() == theirs[name].to_list()
    assert result.bars["time"].to_list() == theirs["t"].to_list()


def test_h06_an_order_over_a_tape_reaches_the_exchange_after_the_stated_latency(day: Path) -> None:
    agent = Turns()
    late = kisnb.backtest(agent, day, cash=CASH, costs="bankis", latency=0.7)
    assert len(agent.mine) > 10
    for order in agent.mine:
        sent = [fact for fact in order.facts if type(fact).__name__ == "Accepted"]
        assert [fact.t - order.t for fact in sent] == [7 * SECOND // 10]
        assert all(fill.t >= order.t + 7 * SECOND // 10 for fill in order.fills)
    assert "An order is at the exchange 0.7 s after the decision." in late.record.assumptions
    # A market order meets the depth that stands when it arrives, so some prices differ.
    at_once = kisnb.backtest(Turns(), day, cash=CASH, costs="bankis")
    pairs = list(
        zip(late.fills.iter_rows(named=True), at_once.fills.iter_rows(named=True), strict=False)
    )
    assert any(a["price"] != b["price"] for a, b in pairs)


def test_h06_a_tape_takes_no_option_of_bars(day: Path) -> None:
    with pytest.raises(BadInput, match=r"sizing='fill' is for bars.*[Ll]eave it out"):
        kisnb.backtest(Turns(), day, costs="bankis", sizing="fill")


def test_h06_a_failure_over_a_tape_is_told_as_over_bars_with_its_line(day: Path) -> None:
    class Broken(kisnb.Agent):
        code: str = CODE

        def on_tick(self, tick: Tick) -> None:
            raise ValueError("no such price")

    with pytest.raises(RuntimeError, match=r"^Broken\(\) failed: Broken\.on_tick, line \d+: raise"):
        kisnb.backtest(Broken(), day, costs="bankis")


def test_h06_a_tape_without_a_named_cash_says_what_it_counts(day: Path) -> None:
    result = kisnb.backtest(Turns(), day)
    assert result.equity["equity"][0] == 100_000_000
    assert any(text.startswith("No cash was named") for text in result.record.assumptions)
    assert result.equity["time"][0].astimezone(KST) == datetime(2026, 11, 20, 9, 1, tzinfo=KST)
    assert {order.side for order in result.book.orders.values()} == {Side.BUY, Side.SELL}


def test_h06_a09_a11_exits_and_guards_of_an_agent_work_over_a_tape(day: Path) -> None:
    class Stopped(kisnb.Agent):
        code: str = CODE
        guards = Guards(chase_change=0)

        def on_tick(self, tick: Tick) -> None:
            if not self.held() and not self.working():
                self.buy(5)
                self.protect(stop=tick.price - 100)

    result = kisnb.backtest(Stopped(), day, cash=CASH, costs="bankis")
    orders = list(result.book.orders.values())
    (stop, *_) = [order for order in orders if order.key.startswith("exit:")]
    assert stop.filled == 5
    later = [order for order in orders if stop.t < order.t < stop.t + 1800 * SECOND]
    assert later
    assert all("guard: " in order.text for order in later)
