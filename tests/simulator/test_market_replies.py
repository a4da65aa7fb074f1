"""Rankings, bars, flows and indices of the simulated host agree with its market and with each
other. Row H03."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import pytest

from kisnb.kis.calls.messages import ApiReply, decode_reply, encode_params
from kisnb.kis.catalogue import APIS
from kisnb.market.universe import Universe
from kisnb.terms import Venue

from .customer import HYNIX, SAMSUNG, Customer, host

J = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}
ALL = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "0000"}
INDEX = {"FID_COND_MRKT_DIV_CODE": "U", "FID_INPUT_ISCD": "0001"}


def customer_at(start: str) -> Customer:
    one = Customer(host(start, scripted=False))
    one.log_in()
    return one


@pytest.fixture(scope="module")
def morning() -> Customer:
    return customer_at("11:00:00")


@pytest.fixture(scope="module")
def evening() -> Customer:
    return customer_at("18:30:00")


def ask(one: Customer, name: str, *params: dict[str, str]) -> ApiReply:
    one.receive(one.core.advance(one.core.now + 100_000_000))
    api = APIS[name]
    given: dict[str, str] = dict.fromkeys((p.upper() for p in api.params), "")
    for more in params:
        given |= more
    reply = one.ask(name, encode_params(api, **given))
    return decode_reply(api, reply.body, status=reply.status, tr_cont=reply.headers["tr_cont"])


def numbers(rows: list[dict[str, str]], field: str) -> list[float]:
    return [float(row[field]) for row in rows]


# rankings

SORTED: list[tuple[str, dict[str, str], str, bool]] = [
    ("volume_rank", {"FID_BLNG_CLS_CODE": "1"}, "vol_inrt", True),
    ("fluctuation", {"FID_RANK_SORT_CLS_CODE": "0"}, "prdy_ctrt", True),
    ("fluctuation", {"FID_RANK_SORT_CLS_CODE": "1"}, "prdy_ctrt", False),
    ("market_cap", {}, "stck_avls", True),
    ("volume_power", {}, "tday_rltv", True),
    ("quote_balance", {"FID_RANK_SORT_CLS_CODE": "0"}, "total_ntsl_bidp_rsqn", True),
    ("disparity", {"FID_RANK_SORT_CLS_CODE": "1", "FID_HOUR_CLS_CODE": "20"}, "d20_dsrt", False),
    ("bulk_trans_num", {"FID_RANK_SORT_CLS_CODE": "1"}, "seln_cntg_csnu", True),
    ("prefer_disparate_ratio", {}, "dprt", True),
    ("short_sale", {"FID_PERIOD_DIV_CODE": "D"}, "ssts_vol_rlim", True),
]


@pytest.mark.parametrize(("name", "params", "field", "falling"), SORTED)
def test_rankings_are_sorted_by_what_was_asked_for(
    morning: Customer, name: str, params: dict[str, str], field: str, falling: bool
) -> None:
    rows = ask(morning, name, ALL, params).rows()
    values = numbers(rows, field)
    assert 0 < len(values) <= 30
    assert values == sorted(values, reverse=falling)
    if "data_rank" in rows[0]:
        assert numbers(rows, "data_rank") == list(range(1, len(rows) + 1))


def test_a_ranking_says_of_each_stock_what_its_quote_says(morning: Customer) -> None:
    for row in ask(morning, "fluctuation", ALL, {"FID_RANK_SORT_CLS_CODE": "0"}).rows():
        quote = ask(morning, "inquire_price", J | {"FID_INPUT_ISCD": row["stck_shrn_iscd"]}).one()
        assert abs(int(row["stck_prpr"]) - int(quote["stck_prpr"])) <= 5 * int(quote["aspr_unit"])
        assert int(row["acml_vol"]) <= int(quote["acml_vol"])


def test_filters_leave_out_what_does_not_pass(morning: Customer) -> None:
    universe = Universe.packaged()
    asked = ALL | {
        "FID_BLNG_CLS_CODE": "3",
        "FID_INPUT_PRICE_1": "100000",
        "FID_INPUT_PRICE_2": "300000",
    }
    assert all(
        100_000 <= int(r["stck_prpr"]) <= 300_000 for r in ask(morning, "volume_rank", asked).rows()
    )
    kosdaq = ask(morning, "market_cap", ALL | {"FID_INPUT_ISCD": "1001"}).rows()
    assert {str(universe.get(r["mksc_shrn_iscd"]).board) for r in kosdaq} == {"KOSDAQ"}
    preferred = ask(
        morning, "volume_rank", ALL | {"FID_BLNG_CLS_CODE": "0", "FID_DIV_CLS_CODE": "2"}
    ).rows()
    assert all(universe.get(r["mksc_shrn_iscd"]).preferred for r in preferred)
    stocks = ask(
        morning,
        "volume_rank",
        ALL | {"FID_BLNG_CLS_CODE": "0", "FID_TRGT_EXLS_CLS_CODE": "0000001100"},
    )
    assert {str(universe.get(r["mksc_shrn_iscd"]).kind) for r in stocks.rows()} == {"stock"}


def test_r01_nextrades_ranking_has_nextrades_stocks_and_volumes_alone(morning: Customer) -> None:
    rows = ask(
        morning, "volume_rank", ALL | {"FID_COND_MRKT_DIV_CODE": "NX", "FID_BLNG_CLS_CODE": "3"}
    ).rows()
    universe = Universe.packaged()
    assert rows
    assert all(universe.get(row["mksc_shrn_iscd"]).nxt for row in rows)
    core: Any = morning.core
    for row in rows[:5]:
        assert int(row["acml_vol"]) <= core._market.quote(row["mksc_shrn_iscd"], Venue.NXT).volume


# bars

WINDOW = {"FID_INPUT_DATE_1": "20200101", "FID_INPUT_DATE_2": "20261120", "FID_ORG_ADJ_PRC": "0"}


def test_daily_bars_are_a_hundred_at_most_newest_first_and_end_at_the_quote(
    morning: Customer,
) -> None:
    reply = ask(morning, "inquire_daily_itemchartprice", J, WINDOW, {"FID_PERIOD_DIV_CODE": "D"})
    rows = reply.rows("output2")
    days = [row["stck_bsop_date"] for row in rows]
    assert len(days) == 100
    assert days == sorted(days, reverse=True)
    assert days[0] == "20261120"
    assert rows[0]["stck_clpr"] == reply.one("output1")["stck_prpr"]
    assert rows[1]["stck_clpr"] == reply.one("output1")["stck_prdy_clpr"]
    for row, before in pairwise(rows):
        assert int(row["prdy_vrss"]) == int(row["stck_clpr"]) - int(before["stck_clpr"])


@pytest.mark.parametrize(("period", "fewest"), [("W", 100), ("M", 60), ("Y", 5)])
def test_longer_periods_add_up_their_days(morning: Customer, period: str, fewest: int) -> None:
    rows = ask(
        morning, "inquire_daily_itemchartprice", J, WINDOW, {"FID_PERIOD_DIV_CODE": period}
    ).rows("output2")
    assert len(rows) >= fewest
    this = {"W": "20261116", "M": "20261101", "Y": "20260101"}[period]
    days = ask(
        morning,
        "inquire_daily_itemchartprice",
        J,
        WINDOW | {"FID_INPUT_DATE_1": this if period != "Y" else "20260630"},
        {"FID_PERIOD_DIV_CODE": "D"},
    ).rows("output2")
    assert int(rows[0]["stck_hgpr"]) >= max(int(day["stck_hgpr"]) for day in days)
    if period != "Y":
        assert int(rows[0]["acml_vol"]) >= sum(int(day["acml_vol"]) for day in days[1:])
        assert rows[0]["stck_oprc"] == days[-1]["stck_oprc"]


def test_minutes_add_up_to_the_day_and_a_time_to_come_means_now(morning: Customer) -> None:
    late = {"FID_INPUT_HOUR_1": "200000", "FID_PW_DATA_INCU_YN": "N"}
    reply = ask(morning, "inquire_time_dailychartprice", J, late, {"FID_INPUT_DATE_1": "20261120"})
    rows, head = reply.rows("output2"), reply.one("output1")
    assert len(rows) <= 120
    assert rows[0]["acml_tr_pbmn"] == head["acml_tr_pbmn"]
    assert rows[0]["stck_prpr"] == head["stck_prpr"]
    today = ask(morning, "inquire_time_itemchartprice", J, late).rows("output2")
    assert len(today) == 30
    assert max(row["stck_cntg_hour"] for row in today) <= "110100"


# flows

SIDES = ("prsn_ntby_qty", "frgn_ntby_qty", "orgn_ntby_qty")
PARTS = ("scrt", "ivtr", "bank", "insu", "mrbn", "fund")


def test_flows_sum_to_nothing_and_institutions_parts_to_the_whole(evening: Customer) -> None:
    rows = ask(evening, "investor_trade_by_stock_daily", J, {"FID_INPUT_DATE_1": "20261120"}).rows(
        "output2"
    )
    assert rows[0]["stck_bsop_date"] == "20261120"
    for row in rows:
        assert sum(int(row[side]) for side in SIDES) == 0
        parts = sum(int(row[f"{part}_ntby_qty"]) for part in PARTS) + int(row["pe_fund_ntby_vol"])
        assert parts == int(row["orgn_ntby_qty"])


def test_the_days_own_flows_show_after_the_close_alone(
    morning: Customer, evening: Customer
) -> None:
    assert ask(morning, "inquire_investor", J).rows()[0]["stck_bsop_date"] == "20261119"
    assert ask(evening, "inquire_investor", J).rows()[0]["stck_bsop_date"] == "20261120"


def test_estimates_appear_when_they_are_typed_in(morning: Customer) -> None:
    rows = ask(morning, "investor_trend_estimate", {"MKSC_SHRN_ISCD": SAMSUNG}).rows("output2")
    assert [row["bsop_hour_gb"] for row in rows] == ["2", "1"]
    assert rows[1]["orgn_fake_ntby_qty"] == "0"
    assert rows[0]["frgn_fake_ntby_qty"] == rows[1]["frgn_fake_ntby_qty"] != "0"


def test_program_trades_go_minute_by_minute_and_net_is_bought_less_sold(morning: Customer) -> None:
    rows = ask(morning, "program_trade_by_stock", J).rows()
    hours = [row["bsop_hour"] for row in rows]
    assert len(hours) == 29
    assert hours == sorted(set(hours), reverse=True)
    for row, before in pairwise(rows):
        net = int(row["whol_smtn_shnu_vol"]) - int(row["whol_smtn_seln_vol"])
        assert net == int(row["whol_smtn_ntby_qty"])
        assert net - int(before["whol_smtn_ntby_qty"]) == int(row["whol_ntby_vol_icdc"])


# indices


def test_an_index_stands_where_its_bars_end(morning: Customer) -> None:
    now = ask(morning, "inquire_index_price", INDEX).one()
    days = ask(
        morning,
        "inquire_daily_indexchartprice",
        INDEX,
        {
            "FID_INPUT_DATE_1": "20260101",
            "FID_INPUT_DATE_2": "20261120",
            "FID_PERIOD_DIV_CODE": "D",
        },
    ).rows("output2")
    minutes = ask(morning, "inquire_index_timeprice", INDEX, {"FID_INPUT_HOUR_1": "60"}).rows()
    assert len(days) == 50
    assert abs(float(days[0]["bstp_nmix_prpr"]) - float(now["bstp_nmix_prpr"])) < 0.05
    assert float(minutes[0]["bstp_nmix_prpr"]) == pytest.approx(
        float(now["bstp_nmix_prpr"]), rel=0.001
    )
    assert minutes[0]["bsop_hour"] == "110000"


@pytest.mark.parametrize(
    ("period", "of"),
    [("W", lambda day: day.isocalendar()[:2]), ("M", lambda day: (day.year, day.month))],
)
def test_a_week_or_month_of_an_index_holds_its_days(
    evening: Customer, period: str, of: Callable[[date], object]
) -> None:
    _, whole, before, *_ = index_bars(evening, period, "20260601")
    days = [row for row in index_bars(evening, "D", "20260901") if of(_day(row)) == of(_day(whole))]
    assert whole["stck_bsop_date"] == days[0]["stck_bsop_date"]
    assert whole["bstp_nmix_prpr"] == days[0]["bstp_nmix_prpr"]
    assert whole["bstp_nmix_oprc"] == days[-1]["bstp_nmix_oprc"]
    assert float(whole["bstp_nmix_hgpr"]) == max(float(row["bstp_nmix_hgpr"]) for row in days)
    assert int(whole["acml_vol"]) == sum(int(row["acml_vol"]) for row in days)
    until = {"FID_INPUT_DATE_1": "20261120", "FID_PERIOD_DIV_CODE": period}
    rows = ask(evening, "inquire_index_daily_price", INDEX, until).rows("output2")
    assert rows[1]["acml_vol"] == whole["acml_vol"]
    change = float(whole["bstp_nmix_prpr"]) - float(before["bstp_nmix_prpr"])
    assert float(rows[1]["bstp_nmix_prdy_vrss"]) == pytest.approx(change, abs=0.02)


def test_a_year_of_an_index_is_one_bar(evening: Customer) -> None:
    years = [_day(row).year for row in index_bars(evening, "Y", "20230101")]
    assert years == [2026, 2025, 2024, 2023]


def index_bars(one: Customer, period: str, since: str) -> Sequence[Mapping[str, str]]:
    window = {
        "FID_INPUT_DATE_1": since,
        "FID_INPUT_DATE_2": "20261120",
        "FID_PERIOD_DIV_CODE": period,
    }
    return ask(one, "inquire_daily_indexchartprice", INDEX, window).rows("output2")


def _day(row: Mapping[str, str]) -> date:
    return date.fromisoformat(row["stck_bsop_date"])


# wrong parameters


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("fluctuation", ALL | {"FID_RANK_SORT_CLS_CODE": "9"}),
        ("fluctuation", ALL | {"FID_COND_MRKT_DIV_CODE": "UN", "FID_RANK_SORT_CLS_CODE": "0"}),
        ("inquire_index_price", INDEX | {"FID_COND_MRKT_DIV_CODE": "J"}),
        ("inquire_index_price", INDEX | {"FID_INPUT_ISCD": "9999"}),
        ("inquire_daily_itemchartprice", J | WINDOW | {"FID_PERIOD_DIV_CODE": "H"}),
        (
            "inquire_daily_itemchartprice",
            J | WINDOW | {"FID_PERIOD_DIV_CODE": "D", "FID_INPUT_DATE_1": "yesterday"},
        ),
        ("inquire_time_itemchartprice", J | {"FID_INPUT_HOUR_1": "256099"}),
        ("bulk_trans_num", ALL | {"FID_RANK_SORT_CLS_CODE": "0", "FID_INPUT_PRICE_1": "-1"}),
        ("chk_holiday", {"BASS_DT": "99999999"}),
    ],
)
def test_wrong_parameters_are_refused_as_the_query_server_does(
    morning: Customer, name: str, params: dict[str, str]
) -> None:
    morning.receive(morning.core.advance(morning.core.now + 100_000_000))
    api = APIS[name]
    given = dict.fromkeys((p.upper() for p in api.params), "") | params
    assert morning.said(morning.ask(name, encode_params(api, **given)))["msg_cd"] == "OPSQ2001"


@pytest.mark.parametrize(
    "name", ["inquire_price", "inquire_ccnl", "inquire_investor", "pbar_tratio"]
)
def test_an_unknown_code_is_named_as_kis_names_it(morning: Customer, name: str) -> None:
    morning.receive(morning.core.advance(morning.core.now + 100_000_000))
    api = APIS[name]
    given = dict.fromkeys((p.upper() for p in api.params), "") | J | {"FID_INPUT_ISCD": "999999"}
    assert morning.said(morning.ask(name, encode_params(api, **given)))["msg_cd"] == "MCA05918"


def test_two_venues_add_up_in_the_unified_quote(morning: Customer) -> None:
    one, other, both = (
        int(ask(morning, "inquire_price", J | {"FID_COND_MRKT_DIV_CODE": code}).one()["acml_vol"])
        for code in ("J", "NX", "UN")
    )
    assert 0 < other < one
    assert abs(both - one - other) <= 0.02 * both
    assert (
        int(ask(morning, "inquire_price", J | {"FID_INPUT_ISCD": HYNIX}).one()["frgn_hldn_qty"]) > 0
    )
