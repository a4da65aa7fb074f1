"""A session's day as one HTML file. It needs no server, no network and no kernel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from kisnb.drawing.candle_figure import candle_figure
from kisnb.drawing.tables import badge_html, badge_text, html_table, trusted
from kisnb.errors import ConfigError
from kisnb.notebook.report_numbers import Numbers, StockChart, Table, numbers

if TYPE_CHECKING:
    from kisnb.session.session import Session
    from kisnb.terms import Mode

TEMPLATE = Path(__file__).with_name("report.html.j2")


class Report:
    """A report that was written: its file, and the hash of its numbers."""

    def __init__(self, path: Path, size: int, content_hash: str, mode: Mode) -> None:
        self.path = path
        self.size = size
        self.mode = mode
        self.content_hash = content_hash
        """The hash of the numbers: the same numbers give the same hash."""

    def __repr__(self) -> str:
        size = f"{self.size / 1e6:.1f} MB"
        return f"{badge_text(self.mode)}{self.path}, {size}, content {self.content_hash}"

    def _repr_html_(self) -> str:
        html = Markup(
            '{}Report: <a href="{}" target="_blank">{}</a>, {:.1f} MB, content <code>{}</code>'
        ).format(badge_html(self.mode), self.path, self.path, self.size / 1e6, self.content_hash)
        return str(html)


def write_report(session: Session, path: str | Path = "report.html") -> Report:
    """Write the report of ``session`` to ``path``. Raises ConfigError when that fails."""
    path = Path(path)
    day = numbers(session)
    page = report_html(day, session.status.run).encode()
    # The process id keeps two notebooks apart that write the same report.
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A reader sees the old file or the new one, and never half of one.
        fresh.write_bytes(page)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        cure = "name another file: %kis report -o FILE"
        raise ConfigError(f"{path} cannot be written: {error.strerror}", cure) from error
    return Report(path, len(page), day.content_hash, day.mode)


def report_html(day: Numbers, run: str) -> str:
    """Return the whole page. It holds plotly.js when there is something to draw.

    The page names ``run``, which the hash leaves out.
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
        results=[(table.title, _table_html(table)) for table in day.results],
        records=[(table.title, _table_html(table)) for table in day.records],
        figures=[_figure_json(chart) for chart in day.charts],
        plotly=trusted(get_plotlyjs()) if day.charts else "",
    )


def _table_html(table: Table) -> Markup:
    return html_table(table.head, table.rows) if table.rows else Markup("<p>none</p>")


def _figure_json(chart: StockChart) -> Markup:
    """Return the figure as JSON that may stand inside a script element."""
    figure = candle_figure(chart.title, chart.candles, chart.fills)
    # A title with `</script>` in it would end the element. `\u003c` is the same letter for JSON,
    # and nothing for HTML.
    return trusted(str(figure.to_json()).replace("<", "\\u003c"))
