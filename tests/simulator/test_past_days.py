"""Past days agree with each other, as a client reads them page by page. Row H11."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kisnb.clock import kst
from kisnb.kis.catalogue import APIS
from kisnb.market import sessions
from kisnb.market.calendar import previous_trading_day
from kisnb.market.price_files import DAILY, bars_of
from kisnb.market.universe import Universe
from kisnb.simulator.day.market import Market
from kisnb.simulator.host.core import Core
from kisnb.simulator.host.personas import LIVE
from kisnb.terms import Board, Kind
from tests.simulator.customer import KEYS, Customer

DAY = date(2026, 11, 20)
DATA = Path(os.environ.get("KISNB_DATA") or "unset")
UNIVERSE = Universe.packaged()
CODES = [item.code for item in UNIVERSE]
TWO_VENUES = [item.code for item in UNIVERSE if item.nxt]
Row = dict[str, str]


@dataclass(frozen=True)
class Reader:
    """A client that reads a simulated KIS, one call after another."""

    customer: Customer

    def rows(self, name: str, block: str, **params: str) -> list[Row]:
        """The rows of one reply. Between two calls as much time passes as KIS asks for."""
        core = self.customer.core
        core.advance(core.now + 60_000_000)
        blank = dict.fromkeys(APIS[name].params, "")
        said = self.customer.said(self.customer.ask(name, blank | params))
        assert said["rt_cd"] == "0", said
        rows: list[Row] = said[block]
        return rows

    def days(self, code: str, venue: str, first: date, last: date) -> list[Row]:
        """Daily bars, newest first: windows of a hundred days until the first one is reached."""
        found: list[Row] = []
        while last >= first:
            page = self.rows(
                "inquire_daily_itemchartprice",
                "output2",
                FID_COND_MRKT_DIV_CODE=venue,
                FID_INPUT_ISCD=code,
                FID_INPUT_DATE_1=f"{first:%Y%m%d}",
                FID_INPUT_DATE_2=f"{last:%Y%m%d}",
                FID_PERIOD_DIV_CODE="D",
                FID_ORG_ADJ_PRC="0",
            )
            found += page
            if not page:
                break
            last = day_of(page[-1]) - timedelta(days=1)
        return found

    def minutes(self, code: str, venue: str, day: date) -> list[Row]:
        """The minutes of a day, newest first: pages of 120 until the day before begins."""
        found: list[Row] = []
        until = "235959"
        while True:
            page = self.rows(
                "inquire_time_dailychartprice",
                "output2",
                FID_COND_MRKT_DIV_CODE=venue,
                FID_INPUT_ISCD=code,
                FID_INPUT_DATE_1=f"{day:%Y%m%d}",
                FID_INPUT_HOUR_1=until,
                FID_PW_DATA_INCU_YN="N",
            )
            assert len(page) <= 120
            found += page
            if not page:
                return found
            before = seconds(page[-1]["stck_cntg_hour"]) - 1
            until = f"{before // 3600:02}{before // 60 % 60:02}{before % 60:02}"


@cache
def reader(seed: int, day: date = DAY, data: Path | None = None) -> Reader:
    """A client at 15:40 of a day."""
    universe = UNIVERSE if data is None else Universe.load(data, day)
    market = Market(universe, day, seed, kst(day, 15 * 3600 + 2_400), data=data)
    customer = Customer(Core(market, KEYS, persona=LIVE))
    customer.log_in()
    return Reader(customer)


def seconds(hour: str) -> int:
    return int(hour[:2]) * 3600 + int(hour[2:4]) * 60 + int(hour[4:])


def day_of(row: Row) -> date:
    return datetime.strptime(row["stck_bsop_date"], "%Y%m%d").date()  # noqa: DTZ007


def bar_of(row: Row) -> tuple[int, ...]:
    names = ("stck_oprc", "stck_hgpr", "stck_lwpr", "stck_clpr", "acml_vol", "acml_tr_pbmn")
    return tuple(int(row[name]) for name in names)


def made_of(minutes: list[Row]) -> tuple[int, ...]:
    """The bar that minutes make, newest first; the won from what each states of its day so far."""
    return (
        int(minutes[-1]["stck_oprc"]),
        max(int(row["stck_hgpr"]) for row in minutes),
        min(int(row["stck_lwpr"]) for row in minutes),
        int(minutes[0]["stck_prpr"]),
        sum(int(row["cntg_vol"]) for row in minutes),
        sum(won for won in won_of(minutes).values()),
    )


def won_of(minutes: list[Row]) -> dict[str, int]:
    """The won of each minute, of rows that reach back to the first of their day."""
    totals = [int(row["acml_tr_pbmn"]) for row in minutes] + [0]
    return {
        row["stck_cntg_hour"]: total - before
        for row, (total, before) in zip(minutes, pairwise(totals), strict=True)
    }


def regular(minutes: list[Row], day: date) -> list[Row]:
    """The rows of KRX's regular session, whose won are those since its open."""
    begin, end = (
        (t - kst(day, 0)) // 10**9
        for t in (sessions.regular_open(day), sessions.regular_close(day))
    )
    kept = [row for row in minutes if begin <= seconds(row["stck_cntg_hour"]) <= end]
    early = [row for row in minutes if seconds(row["stck_cntg_hour"]) < begin]
    before = int(early[0]["acml_tr_pbmn"]) if early else 0
    return [row | {"acml_tr_pbmn": str(int(row["acml_tr_pbmn"]) - before)} for row in kept]


def past(n: int) -> date:
    day = DAY
    for _ in range(n):
        day = previous_trading_day(day)
    return day


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 3), st.sampled_from(CODES), st.integers(1, 250))
def test_h11_the_minutes_of_a_past_day_at_krx_are_its_daily_bar_to_the_won(
    seed: int, code: str, n: int
) -> None:
    day, kis = past(n), reader(seed)
    (row,) = kis.days(code, "J", day, day)
    assert made_of(regular(kis.minutes(code, "J", day), day)) == bar_of(row)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 3), st.sampled_from(TWO_VENUES), st.integers(1, 250))
def test_h11_the_minutes_of_a_past_day_at_nextrade_and_at_both_venues_are_its_daily_bars(
    seed: int, code: str, n: int
) -> None:
    day, kis = past(n), reader(seed)
    krx, nxt, both = (kis.days(code, venue, day, day) for venue in ("J", "NX", "UN"))
    minutes = kis.minutes(code, "NX", day)
    assert made_of(minutes) == bar_of(nxt[0])
    o, h, low, c, volume, value = zip(bar_of(krx[0]), bar_of(nxt[0]), strict=True)
    assert bar_of(both[0]) == (o[1], max(h), min(low), c[1], sum(volume), sum(value))
    # The unified minutes are both venues' trades.
    unified = sum(int(row["cntg_vol"]) for row in kis.minutes(code, "UN", day))
    assert unified == sum(int(row["cntg_vol"]) for row in (*kis.minutes(code, "J", day), *minutes))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 3), st.sampled_from(CODES), st.integers(101, 400))
def test_h11_the_close_before_a_day_is_the_close_of_the_day_before_and_the_last_is_the_base(
    seed: int, code: str, n: int
) -> None:
    kis = reader(seed)
    days = kis.days(code, "J", past(n), past(1))
    assert [day_of(row) for row in days] == [past(i) for i in range(1, n + 1)]
    for row, before in pairwise(days):
        assert int(row["stck_clpr"]) - int(row["prdy_vrss"]) == int(before["stck_clpr"])
    assert int(quote(kis, code)["stck_sdpr"]) == int(days[0]["stck_clpr"])


def of(code: str, venue: str = "J") -> Row:
    return {"FID_COND_MRKT_DIV_CODE": venue, "FID_INPUT_ISCD": code}


def quote(kis: Reader, code: str) -> Row:
    found: object = kis.rows("inquire_price", "output", **of(code))
    assert isinstance(found, dict)
    return found


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 3), st.sampled_from(CODES))
def test_h11_investors_and_programs_of_past_days_trade_within_the_days_volume(
    seed: int, code: str
) -> None:
    kis = reader(seed)
    bars = {day_of(row): row for row in kis.days(code, "J", past(40), past(1))}
    last = {"FID_INPUT_DATE_1": f"{past(1):%Y%m%d}"}
    flows = kis.rows("investor_trade_by_stock_daily", "output2", **of(code), **last)
    programs = kis.rows("program_trade_by_stock_daily", "output", **of(code), **last)
    assert len(flows) == len(programs) == 30
    for row in flows:
        bar = bars[day_of(row)]
        volume = int(bar["acml_vol"])
        assert int(row["acml_vol"]) == volume
        assert row["stck_clpr"] == bar["stck_clpr"]
        groups = ("prsn", "frgn", "orgn")
        assert sum(int(row[f"{group}_shnu_vol"]) for group in groups) == volume
        assert sum(int(row[f"{group}_seln_vol"]) for group in groups) == volume
        assert sum(int(row[f"{group}_ntby_qty"]) for group in groups) == 0
    for row in programs:
        bar = bars[day_of(row)]
        assert row["acml_vol"] == bar["acml_vol"]
        for name in ("whol_smtn_shnu_vol", "whol_smtn_seln_vol"):
            assert 0 <= int(row[name]) <= int(bar["acml_vol"])


@pytest.mark.parametrize(
    ("number", "board"), [("0001", Board.KOSPI), ("1001", Board.KOSDAQ)], ids=["KOSPI", "KOSDAQ"]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_h11_the_index_of_a_past_day_moves_as_its_stocks_do(
    seed: int, number: str, board: Board
) -> None:
    kis = reader(seed)
    index = kis.rows(
        "inquire_daily_indexchartprice",
        "output2",
        FID_COND_MRKT_DIV_CODE="U",
        FID_INPUT_ISCD=number,
        FID_INPUT_DATE_1=f"{past(40):%Y%m%d}",
        FID_INPUT_DATE_2=f"{past(1):%Y%m%d}",
        FID_PERIOD_DIV_CODE="D",
    )
    members = [
        item for item in UNIVERSE if item.board is board and item.kind is Kind.STOCK and item.shares
    ]
    # The packaged boards have fewer companies than the index takes for past days.
    assert len(members) <= 30
    days = {item.code: kis.days(item.code, "J", past(40), past(1)) for item in members}
    for i, (row, before) in enumerate(pairwise(index)):
        worth = [
            sum(item.shares * int(days[item.code][n][name]) for item in members)
            for n, name in ((i, "stck_clpr"), (i + 1, "stck_clpr"), (i, "stck_oprc"))
        ]
        level, last, first = (
            float(row["bstp_nmix_prpr"]), float(before["bstp_nmix_prpr"]),
            float(row["bstp_nmix_oprc"]),
        )  # fmt: skip
        assert level / last == pytest.approx(worth[0] / worth[1], abs=2e-5)
        assert first / level == pytest.approx(worth[2] / worth[0], abs=2e-5)
        assert float(row["bstp_nmix_lwpr"]) <= min(level, first)
        assert float(row["bstp_nmix_hgpr"]) >= max(level, first)
        assert int(row["acml_vol"]) == sum(int(days[item.code][i]["acml_vol"]) for item in members)


@pytest.mark.data
@pytest.mark.skipif(not (DATA / DAILY).is_file(), reason="KISNB_DATA names no real prices")
@pytest.mark.parametrize("code", ["005930", "000660", "069500"])
def test_h11_real_daily_bars_stand_and_the_minutes_of_those_days_agree_with_them(
    code: str,
) -> None:
    today = date(2023, 12, 21)
    kis = reader(1, today, DATA)
    day = today
    for _ in range(3):
        day = previous_trading_day(day)
        (row,) = kis.days(code, "J", day, day)
        real = bars_of(DATA, day)[code]
        assert bar_of(row)[:5] == (real.open, real.high, real.low, real.close, real.volume)
        assert made_of(regular(kis.minutes(code, "J", day), day)) == bar_of(row)


@pytest.mark.parametrize("volume", [4, 5, 9, 41, 130])
def test_h11_a_day_of_few_shares_agrees_too(volume: int) -> None:
    universe = Universe([msgspec.structs.replace(item, volume=volume) for item in UNIVERSE][:6])
    market = Market(universe, DAY, 5, kst(DAY, 9 * 3600))
    for item in universe:
        for then in market.facts.history(item.code, 12):
            if then.bar.volume < 4:
                continue
            trades = market.plan.past_schedule(item.code, then.day).regular(then.day).trades
            assert sum(t.qty for t in trades) == then.bar.volume
            assert sum(t.qty * t.price for t in trades) == then.value
