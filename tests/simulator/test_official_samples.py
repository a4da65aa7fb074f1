"""Row H03: KIS's own samples, as they are but for the addresses in ``kis_devlp.yaml``, get all
columns that they name.

Needs a folder with the official samples (koreainvestment/open-trading-api on GitHub) in
``KISNB_OFFICIAL_SAMPLES``. What is expected is true of the samples of 2026-07-09; what does not get
everything stands here with the reason.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

SAMPLES = os.environ.get("KISNB_OFFICIAL_SAMPLES", "")
pytestmark = pytest.mark.skipif(
    not SAMPLES,
    reason="KISNB_OFFICIAL_SAMPLES is not set: name a folder with KIS's official samples",
)
NAMED = (
    "000540",
    "000545",
    "006220",
    "010950",
    "023460",
    "032640",
    "092070",
    "158430",
    "308100",
    "417450",
    "419530",
)
"""Codes that the samples name beside those of the packaged universe.

000545 is the preferred share of 000540.
"""
SETTINGS = ("--date", "2025-07-01", "--speed", "20", "--quirks", "old-columns")
"""A day that samples name, and the columns that they name.

At this speed they keep within the host's limits, as the typing of people does.
"""
EVENING = {
    *("order_resv", "inquire_time_overtimeconclusion", "overtime_fluctuation", "overtime_volume"),
    *("overtime_asking_price_krx", "overtime_ccnl_krx", "overtime_exp_ccnl_krx"),
}
"""What KIS answers after the close alone: the second host starts in the single-price session."""
EVENING_SPEED = 200
"""The session's matches are ten minutes apart."""
SECONDS = "4"
"""How long a WebSocket sample waits for its first data, by the clock on the wall."""
WATCHED = ("158430", "417450", "006220", "000660")
"""Stocks whose trading is stopped and resumed again and again, so that something is told of the
market's operation."""


LACKING = {
    "a service without facts in the simulated market": {
        *(
            "comp_interest",
            "credit_by_company",
            "daily_loan_trans",
            "dividend_rate",
            "estimate_perform",
        ),
        *(
            "finance_balance_sheet",
            "finance_financial_ratio",
            "finance_growth_ratio",
            "finance_income_statement",
        ),
        *(
            "finance_other_major_ratios",
            "finance_profit_ratio",
            "finance_ratio",
            "finance_stability_ratio",
        ),
        *(
            "frgnmem_pchs_trend",
            "frgnmem_trade_estimate",
            "frgnmem_trade_trend",
            "hts_top_view",
            "inquire_elw_price",
        ),
        *(
            "inquire_member",
            "inquire_member_daily",
            "intstock_grouplist",
            "intstock_stocklist_by_group",
        ),
        *(
            "invest_opbysec",
            "invest_opinion",
            "ksdinfo_bonus_issue",
            "ksdinfo_cap_dcrs",
            "ksdinfo_dividend",
        ),
        *("ksdinfo_forfeit", "ksdinfo_list_info", "ksdinfo_mand_deposit", "ksdinfo_merger_split"),
        *(
            "ksdinfo_paidin_capin",
            "ksdinfo_pub_offer",
            "ksdinfo_purreq",
            "ksdinfo_rev_split",
            "ksdinfo_sharehld_meet",
        ),
        *(
            "lendable_by_company",
            "market_value",
            "mktfunds",
            "news_title",
            "order_credit",
            "pension_inquire_balance",
        ),
        *(
            "pension_inquire_daily_ccld",
            "pension_inquire_deposit",
            "pension_inquire_present_balance",
        ),
        *(
            "pension_inquire_psbl_order",
            "profit_asset_index",
            "top_interest_stock",
            "traded_by_company",
        ),
    },
    "a channel that the host does not have": {
        *("index_exp_ccnl", "index_program_trade", "member_krx", "member_nxt", "member_total"),
    },
    "no call auction at Nextrade before 2026-09-14": {"exp_ccnl_nxt"},
    "names a column by another name than KIS's documentation": {
        *("comp_program_trade_daily", "inquire_overtime_asking_price"),
    },
    "names columns of another call": {"comp_program_trade_today", "inquire_time_indexchartprice"},
    "asks for days on which the account did not exist": {
        *(
            "inquire_daily_ccld",
            "inquire_period_profit",
            "inquire_period_trade_profit",
            "order_resv_ccnl",
        ),
    },
    "asks for a day long past": {"inquire_vi_status"},
    "nothing of the kind happens on the day": {
        "capture_uplowprice",
        "overtime_exp_trans_fluct",
        "period_rights",
    },
    "asks for stock futures": {"inquire_investor_time_by_market"},
    "sends a price outside the day's limits, or an order number of its author's": {
        *("order_cash", "order_resv_rvsecncl", "order_rvsecncl"),
    },
    "the customer has no saved conditions": {"psearch_result", "psearch_title"},
}
"""What does not get every column, and why."""
SERVICE = "OPSQ0002"


@contextlib.contextmanager
def host(home: Path, start: str) -> Iterator[str]:
    """A host whose keys and addresses stand in the home of the samples.

    Yields its control address.
    """
    universe = home / "universe.csv"
    packaged = files("kisnb.market").joinpath("universe.csv").read_text("utf-8")
    more = (
        f"{code},{code},{'KOSPI' if code < '0330' else 'KOSDAQ'},stock,90000000,20000,9000000,1"
        for code in NAMED
    )
    universe.write_text("\n".join([packaged.rstrip(), *more, ""]), "utf-8")
    command = [
        sys.executable,
        "-m",
        "kisnb",
        "sim",
        *SETTINGS,
        "--start",
        start,
        "--universe",
        str(universe),
    ]
    process = subprocess.Popen(
        [*command, "--write-config", str(home / "KIS" / "config")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["control"]
    finally:
        process.terminate()
        process.communicate(timeout=20)


def control(address: str, verb: str, **what: object) -> None:
    urllib.request.urlopen(f"{address}/{verb}", json.dumps(what).encode()).close()


def busy(address: str, done: threading.Event) -> None:
    """Trade by hand, and stop and resume some stocks, until it is done."""
    while not done.wait(0.3):
        control(address, "trade", code="005930", side="buy", qty=1)
        for code in WATCHED:
            control(address, "halt", code=code)
            control(address, "resume", code=code)


def run(home: Path, *names: str) -> dict[str, dict[str, Any]]:
    """What becomes of the samples, by name."""
    command = [
        sys.executable,
        str(Path(__file__).with_name("official_samples.py")),
        SAMPLES,
        SECONDS,
        *names,
    ]
    environment = os.environ | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["name"]: line for line in lines}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """In the morning all of them, with a holding, a sale and an open order.

    In the evening those that need it.
    """
    home, done = tmp_path_factory.mktemp("morning"), threading.Event()
    with host(home, "11:00:00") as address:
        for side, qty, price in (("buy", 20, None), ("buy", 5, 60_000), ("sell", 8, None)):
            control(address, "trade", code="005930", side=side, qty=qty, price=price)
        market = threading.Thread(target=busy, args=(address, done))
        market.start()
        try:
            morning = run(home)
        finally:
            done.set()
            market.join()
    home = tmp_path_factory.mktemp("evening")
    with host(home, "16:15:00") as address:
        control(address, "speed", speed=EVENING_SPEED)
        return morning | run(home, *EVENING)


def test_h03_the_official_samples_run_and_get_every_column_but_for_those_named(
    told: dict[str, dict[str, Any]],
) -> None:
    assert {name: line["error"] for name, line in told.items() if line["error"]} == {}
    short = {name for name, line in told.items() if line["missing"] or not line["named"]}
    print(f"{len(told)} samples run, {len(told) - len(short)} get every column")
    assert short == set().union(*LACKING.values())
    unknown = {name for name, line in told.items() if line["refusal"] == SERVICE}
    assert unknown == LACKING["a service without facts in the simulated market"]
