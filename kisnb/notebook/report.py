"""Writes a session's day as one HTML file. The file needs no server, no network and no kernel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from kisnb.drawing.candle_figure import candle_figure
from kisnb.drawing.candle_svg import candle_svg
from kisnb.drawing.report_file import Report, write_report_file
from kisnb.drawing.tables import badge_html, html_table, trusted
from kisnb.drawing.theme import palettes, variables
from kisnb.notebook.report_numbers import Numbers, StockChart, Table, numbers

if TYPE_CHECKING:
    from kisnb.session.session import Session

TEMPLATE = Path(__file__).with_name("report.html.j2")


def write_report(session: Session, path: str | Path = "report.html") -> Report:
    """Write the report of ``session`` to ``path``, and return the path. Raises ConfigError."""
    day = numbers(session)
    page = report_html(day, session.status.run)
    cure = "name another file: %kis report -o FILE"
    return write_report_file(path, page, day.content_hash, day.mode, cure)


def report_html(day: Numbers, run: str) -> str:
    """Return the whole page. It contains plotly.js if there is a chart.

    ``run`` is named on the page but is not part of the hash.
    """
    import jinja2
    from plotly.offline import get_plotlyjs

    # Names of stocks and reasons of orders come from outside, so everything is escaped unless it is
    # Markup.
    template = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True
    ).from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        day=day,
        run=run,
        badge=badge_html(day.mode),
        colours=trusted(variables(palettes()[0])),
        results=[(table.title, _table_html(table)) for table in day.results],
        records=[(table.title, _table_html(table)) for table in day.records],
        figures=[(_svg(chart), _figure_json(chart)) for chart in day.charts],
        plotly=trusted(get_plotlyjs()) if day.charts else "",
    )


def _table_html(table: Table) -> Markup:
    return html_table(table.head, table.rows) if table.rows else Markup("<p>none</p>")


def _svg(chart: StockChart) -> Markup:
    return trusted(candle_svg(chart.title, chart.candles, chart.fills))


def _figure_json(chart: StockChart) -> Markup:
    """Return the figure as JSON that may stand inside a script element."""
    figure = candle_figure(chart.title, chart.candles, chart.fills, palettes()[0])
    # A title with `</script>` in it would end the element. `\u003c` is the same letter for JSON,
    # and nothing for HTML.
    return trusted(str(figure.to_json()).replace("<", "\\u003c"))
