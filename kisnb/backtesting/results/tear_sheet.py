"""The tear sheet of a back-test: one HTML file that needs no network, no kernel and no script.

The charts are SVG, so they are shown even where scripts are blocked, for example in JupyterLab's
viewer of HTML files. Where scripts run, a small script shows the values under the pointer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from kisnb.backtesting.results.figures import bar_candles
from kisnb.backtesting.results.hashes import config_of, data_hash, hash_of
from kisnb.backtesting.results.look import BADGE, curve_svgs, days_of, exposures
from kisnb.clock import kst_day
from kisnb.columns import number, signed, tone_of
from kisnb.drawing.candle_svg import candle_svg
from kisnb.drawing.candles import marks
from kisnb.drawing.month_table import month_table
from kisnb.drawing.report_file import Report, write_report_file
from kisnb.drawing.tables import Cell, html_table, joined, trusted
from kisnb.drawing.theme import Palette, palettes, variables
from kisnb.market import uncertain

if TYPE_CHECKING:
    import jinja2

    from kisnb.backtesting.results.run_frames import RunFrames
    from kisnb.backtesting.results.statistic import Statistic
    from kisnb.backtesting.run_record import RunRecord

TEMPLATE = Path(__file__).with_name("tear_sheet.html.j2")
MOST_STOCKS = 6
"""The most candle charts on one sheet. The stocks with the highest turnover are shown."""
MOST_TRADES = 200
"""The most rows of the table of trades. The newest trades are shown."""


def write_tear_sheet(result: RunFrames, path: str | Path) -> Report:
    """Write the tear sheet of ``result`` to ``path``. Return the Report. Raises ConfigError."""
    content_hash = hash_of(result)
    page = tear_sheet_html(result, content_hash)
    return write_report_file(path, page, content_hash, None, "name another file: report(FILE)")


def tear_sheet_html(result: RunFrames, content_hash: str = "") -> str:
    """Return the tear sheet as an HTML page.

    ``content_hash`` is the hash of the result. Empty: it is computed here.
    """
    record = result.record
    light, dark = palettes()
    known = list(result.statistics_by_name.values())
    groups = [(name, list(found)) for name, found in groupby(known, key=lambda s: s.group)]
    return _template().render(
        title=result.title,
        badge=BADGE,
        record=record,
        hash=content_hash or hash_of(result),
        light=_style(light),
        dark=_style(dark),
        groups=[(name, _statistic_table(found)) for name, found in groups],
        definitions=known,
        curves=curve_svgs(result, (320, 180, 130)),
        values=_values(result),
        months=_months(result),
        candles=_candles(result),
        untold=max(result.fills["code"].n_unique() - MOST_STOCKS, 0),
        stocks=_stocks(result),
        agents=_agents(result),
        trades=_trades(result),
        shown_trades=min(len(result.round_trips), MOST_TRADES),
        all_trades=len(result.round_trips),
        days=len(result.daily),
        assumed=_assumed(),
        parameters=_parameters(record),
        bars=_bars(record),
        data=_data(record),
        data_hash=data_hash(record),
        config=config_of(record),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    import jinja2

    # Names of agents come from outside, so everything is escaped unless it is Markup.
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _style(palette: Palette) -> Markup:
    return trusted(
        f"{variables(palette)};--page:{palette.page};--jp-ui-font-color1:{palette.text};"
        f"--jp-ui-font-color2:{palette.muted}"
    )


def _statistic_table(group: Sequence[Statistic]) -> Markup:
    rows = [
        Markup(
            '<tr title="{}"><th>{}</th><td>{}</td></tr>{}'
        ).format(s.definition, s.name, _toned(s), _note(s))
        for s in group
    ]  # fmt: skip
    return joined(rows)


def _toned(statistic: Statistic) -> Markup:
    tone = statistic.tone
    return Markup('<span class="{}">{}</span>').format(tone or "plain", statistic.text)


def _note(statistic: Statistic) -> Markup:
    if not statistic.note:
        return Markup()
    return Markup('<tr class="note"><td colspan="2">{}</td></tr>').format(statistic.note)


def _values(result: RunFrames) -> Markup:
    """Return the values that the page shows under the mouse pointer, as JSON.

    The JSON is safe inside a script element.
    """
    points = result.curve
    lines: list[list[tuple[str, list[str]]]] = [
        [("equity", [number(v) for v in points["equity"].to_list()])],
        [("drawdown", [f"{signed(100 * v, 2)} %" for v in points["drawdown"].to_list()])],
        [("exposure", ["" if v is None else f"{v:.1f} %" for v in exposures(result)])],
    ]
    if result.benchmark and "benchmark_equity" in points.columns:
        worth = points["benchmark_equity"].to_list()
        lines[0].append((result.benchmark.name, [number(v) for v in worth]))
    form = "%Y-%m-%d %H:%M" if len(points) > len(result.daily) else "%Y-%m-%d"
    days = points["at"].dt.strftime(form).to_list()
    content: dict[str, Any] = {"days": days, "lines": lines}
    return trusted(json.dumps(content, separators=(",", ":")).replace("<", "\\u003c"))


def _months(result: RunFrames) -> Markup:
    known = {(y, m): r for y, m, r in result.monthly.select("year", "month", "return").iter_rows()}
    years, before = [], result.record.cash
    for year, rows in groupby(
        zip(days_of(result), result.daily["equity"].to_list(), strict=True),
        key=lambda pair: pair[0].year,
    ):
        end = list(rows)[-1][1]
        years.append((year, end / before - 1 if before > 0 else None))
        before = end
    return month_table(known, years)


def _candles(result: RunFrames) -> list[Markup]:
    by_value = result.fills.group_by("code", maintain_order=True).agg(value=_sum_of_value())
    codes = by_value.sort("value", descending=True, maintain_order=True)["code"].to_list()
    drawn = []
    for code in codes[:MOST_STOCKS]:
        orders = [order for order in result.book.orders.values() if order.code == code]
        bars = bar_candles(result.bars_of(code))
        if bars:
            drawn.append(trusted(candle_svg(code, bars, marks(orders))))
    return drawn


def _sum_of_value() -> Any:
    import polars as pl

    return pl.col("value").sum()


def _stocks(result: RunFrames) -> Markup:
    """Return an HTML table with one row per stock, and a last row over all stocks.

    The stock with the highest PnL after cost comes first.
    """
    summary = result.book.summary()
    stocks = summary.head(-1).sort("realised_net", descending=True, maintain_order=True)
    head = (
        "code", "orders", "fills", "bought", "sold", "held", "turnover", "win rate",
        "PnL before cost", "costs", "PnL after cost",
    )  # fmt: skip
    rows = [_summary_row(row) for row in [*stocks.rows(), *summary.tail(1).rows()]]
    return html_table(head, rows)


def _agents(result: RunFrames) -> Markup | None:
    """Return an HTML table with a row per agent.

    None when each agent has its own stock, because the table of stocks has the same figures.
    """
    pairs = result.fills.select("agent", "code").unique()
    if len(pairs) == pairs["agent"].n_unique() == pairs["code"].n_unique():
        return None
    books = result.record.books
    head = (
        "agent", "orders", "fills", "turnover", "win rate", "PnL before cost", "costs",
        "PnL after cost",
    )  # fmt: skip
    rows = []
    for agent in result.record.agents:
        (whole,) = books.of(agent).summary().tail(1).rows()
        _, orders, fills, _, _, _, *others = _summary_row(whole)
        rows.append([Cell(agent, left=True), orders, fills, *others])
    return html_table(head, rows)


def _summary_row(row: tuple[Any, ...]) -> list[Cell]:
    """Return a row of ``OrderBook.summary`` as cells of an HTML table."""
    code, orders, fills, bought, sold, held, turnover, win_rate, realised, costs, net = row
    return [
        Cell(code, left=True), Cell(number(orders)), Cell(number(fills)), Cell(number(bought)),
        Cell(number(sold)), Cell(number(held)), Cell(number(turnover)),
        Cell("" if win_rate is None else f"{100 * win_rate:.1f} %"),
        Cell(signed(realised), tone_of(realised)), Cell(number(costs)),
        Cell(signed(net), tone_of(net)),
    ]  # fmt: skip


def _trades(result: RunFrames) -> Markup:
    head = (
        "code", "entry", "exit", "days", "quantity", "entry price", "exit price",
        "PnL before cost", "costs", "PnL after cost", "return",
    )  # fmt: skip
    rows = [
        [
            Cell(t.code, left=True), Cell(f"{kst_day(t.entry)}"), Cell(f"{kst_day(t.exit)}"),
            Cell(number(t.days)), Cell(number(t.quantity)), Cell(number(t.entry_price)),
            Cell(number(t.exit_price)), Cell(signed(t.pnl), tone_of(t.pnl)), Cell(number(t.costs)),
            Cell(signed(t.pnl_net), tone_of(t.pnl_net)),
            Cell(f"{signed(100 * t.change, 2)} %", tone_of(t.change)),
        ]
        for t in reversed(result.round_trips[-MOST_TRADES:])
    ]  # fmt: skip
    return html_table(head, rows) if rows else Markup("<p>none</p>")


def _parameters(record: RunRecord) -> list[tuple[str, str]]:
    texts = record.parameters or ("",) * len(record.agents)
    return [
        (agent, text or "no parameters") for agent, text in zip(record.agents, texts, strict=True)
    ]


def _bars(record: RunRecord) -> str:
    stocks = record.bars["code"].n_unique()
    if not stocks:
        return "no bars: the run was fed with ticks"
    return f"{len(record.bars):,} bars of {stocks} stock{'' if stocks == 1 else 's'}"


def _data(record: RunRecord) -> Markup:
    """Return an HTML table about the bars: a row per stock."""
    import polars as pl

    stocks = record.bars.group_by("code", maintain_order=True).agg(
        pl.len(), first=pl.first("time"), last=pl.last("time")
    )
    rows = [
        [
            Cell(code, left=True), Cell(number(bars)), Cell(f"{first:%Y-%m-%d}"),
            Cell(f"{end:%Y-%m-%d}"),
        ]
        for code, bars, first, end in stocks.iter_rows()
    ]  # fmt: skip
    return html_table(("code", "bars", "first", "last"), rows)


def _assumed() -> list[tuple[str, str]]:
    """Return pairs: a variant in words, and the names of the uncertain facts that used it.

    An uncertain fact of the market is one that no document decides (``market.uncertain``).
    """
    taken = uncertain.current()
    names = uncertain.Uncertain.__struct_fields__
    variants = (
        ("as by default", [name for name in names if not getattr(taken, name)]),
        ("the other variant", [name for name in names if getattr(taken, name)]),
    )
    return [(variant, ", ".join(found)) for variant, found in variants if found]
