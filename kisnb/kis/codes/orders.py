"""Codes that orders get. Source: replies that clients have received; KIS publishes no table."""

from __future__ import annotations

from kisnb.kis.codes.code import CHECK_ORDERS, Code

LIVE_ORDERS: dict[str, Code] = {
    "APBK0344": Code(
        "원주문정보가 존재하지 않습니다.",
        "no such order",
        "look at the orders of the day for its number",
    ),
    "APBK0400": Code(
        "주문 가능한 수량을 초과했습니다.",
        "more shares than can be ordered or sold",
        "lower the quantity",
    ),
    "APBK0506": Code(
        "주식주문호가단위 오류입니다.",
        "the price is off the tick grid, or beyond the day's limits",
        "use a price on the grid between the lower and the upper limit",
    ),
    "APBK0656": Code("해당 종목 정보가 없습니다.", "unknown stock", "check the code"),
    # Clients have received this code for other causes too. KIS's own text decides, and is shown
    # first.
    "APBK0918": Code(
        "장운영시간이 아닙니다.", "the market is closed", "order while its session is open"
    ),
    # Another client reads this code as too little cash (uncertain).
    "APBK0919": Code(
        "장운영일자가 주문일과 상이합니다.",
        "not a trading day of this market",
        "order on a trading day",
    ),
    "APBK0927": Code(
        "정정취소 가능수량이 없습니다.",
        "nothing is left to revise or cancel",
        "look at the orders of the day: it was filled, cancelled or expired",
    ),
    # A market buy reserves cash at the upper limit price, so a quantity computed from the last
    # price may be too large (workbook: order-cash).
    "APBK0952": Code(
        "주문가능금액을 초과 했습니다",
        "more than the orderable cash",
        "lower the quantity; market buys reserve the upper limit",
    ),
    # One client has received it (uncertain).
    "APBK1234": Code("보유수량이 부족합니다.", "holdings short", "lower the quantity"),
    "APBK1664": Code(
        "장이 열리지 않았습니다.", "the market is not open", "order while its session is open"
    ),
    # A client was told 16:40 to 8:30 in November 2025. KIS's workbook says 15:40 to 7:30
    # (uncertain).
    "KIER3672": Code(
        "예약주문 가능시간이 아닙니다.",
        "no reserved orders are taken at this hour",
        "reserve it between 16:40 and 7:30",
    ),
    "APBK1943": Code("시장가호가불가", "no market order now", "give a price"),
    "APBK3009": Code(
        "SOR 시장에서 거래가 불가능한 종목입니다",
        "this stock does not trade through SOR",
        "order it at KRX",
    ),
    "APBK3013": Code(
        "지정가 주문만 가능합니다.", "this market session takes limit orders only", "give a price"
    ),
    "KIOK0320": Code(
        "장운영시간이 아닙니다.", "the market is closed", "order while its session is open"
    ),
}
"""Codes of orders at the live host."""
PAPER_ORDERS: dict[str, Code] = {
    "40030000": Code(
        "모의투자 주문처리가 안되었습니다(호가단위 오류)",
        "the price is off the tick grid",
        "use a price on the grid",
    ),
    "40070000": Code(
        "모의투자 주문처리가 안되었습니다(매매불가 종목)",
        "not tradable in paper",
        "take another stock",
    ),
    "40100000": Code("모의투자 영업일이 아닙니다.", "no trading day", "order on a trading day"),
    "40240000": Code("모의투자 잔고내역이 없습니다.", "no holdings"),
    # Its text varies from report to report (uncertain).
    "40310000": Code(
        "모의투자 매수가능금액을 초과하였습니다.",
        "more than the orderable cash",
        "lower the quantity",
    ),
    "40330000": Code(
        "모의투자 정정/취소할 수량이 없습니다.", "nothing left to revise or cancel", CHECK_ORDERS
    ),
    "40570000": Code(
        "모의투자 장시작전 입니다.", "the market is not open yet", "order while its session is open"
    ),
    "40580000": Code(
        "모의투자 장종료 입니다.", "the market is closed", "order while its session is open"
    ),
    "90000000": Code(
        "모의투자에서는 해당업무가 제공되지 않습니다.",
        "not offered in paper",
        "use live or sim for it",
    ),
}
"""Codes of orders at the paper host (모의투자): eight digits."""
