"""Tables and mode badges for notebook outputs: aligned text, and HTML with its own style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from unicodedata import east_asian_width

import msgspec
from markupsafe import Markup, escape

from kisnb.columns import Column, S, Tone
from kisnb.drawing.theme import FALL, MUTED, RISE, TEXT, in_notebook
from kisnb.terms import Mode

_COLOURS: dict[Tone, str] = {"up": RISE, "down": FALL}

_BADGES = {
    Mode.SIM: ("#ffffff", "#5b3fa8"),
    Mode.PAPER: ("#3a2a00", "#ffc233"),
    Mode.LIVE: ("#ffffff", "#c40000"),
}
UNSURE = "background:#ffc233;color:#3a2a00;padding:0 4px"
"""The CSS style of values that may be out of date."""
_CELL = "padding:2px 10px;border:0;white-space:nowrap"
_MUTED = f"color:{MUTED}"


class Cell(msgspec.Struct, frozen=True, gc=False):
    """One value of a table, as text."""

    text: str
    tone: Tone = ""
    left: bool = False
    """True when the text is aligned to the left."""


def cells_of(columns: Sequence[Column[S]], subjects: Iterable[S]) -> list[list[Cell]]:
    """Return the rows of a table about these subjects."""
    return [[Cell(c.text(s), c.tone(s), c.is_left) for c in columns] for s in subjects]


def heads_of(columns: Sequence[Column[S]]) -> list[str]:
    """Return the headings of the columns."""
    return [column.head for column in columns]


def badge_text(mode: Mode | None) -> str:
    """Return ``"[SIM] "``; empty without a session."""
    return mode.badge if mode else ""


def badge_html(mode: Mode | None) -> Markup:
    """Return a coloured plate: violet for the simulator, amber for paper, red for live.

    Empty without a session.
    """
    # A value can be shown when no session is open, for example a DataFrame of a back-test.
    if mode is None:
        return Markup()
    return plate(mode.upper(), *_BADGES[mode])


def plate(text: str, front: str, back: str) -> Markup:
    """Return a text in the colour ``front`` on a plate of the colour ``back``."""
    return Markup(
        '<span class="kisnb-mode" style="background:{};color:{};font-weight:700;padding:1px 8px;'
        'border-radius:3px;margin-right:8px">{}</span>'
    ).format(back, front, text)


def coloured(text: str, tone: Tone) -> Markup:
    """Return text in the colour of its tone: rising or falling. Any other tone has no colour."""
    if tone not in _COLOURS:
        return Markup.escape(text)
    return Markup('<span style="color:{}">{}</span>').format(_COLOURS[tone], text)


def width(text: str) -> int:
    """Return the columns that a text needs on a terminal. A Korean syllable needs two."""
    # A column of Korean names would not be aligned by the number of letters.
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def text_table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return aligned columns with two blanks between them.

    A column's heading is at the left when all its cells are aligned left, else at the right.
    """
    lefts = [all(row[i].left for row in rows) for i in range(len(head))]
    widths = [max([width(h), *(width(row[i].text) for row in rows)]) for i, h in enumerate(head)]

    def line(texts: Sequence[str]) -> str:
        padded = []
        for text, left, columns in zip(texts, lefts, widths, strict=True):
            blank = " " * (columns - width(text))
            padded.append(text + blank if left else blank + text)
        return "  ".join(padded).rstrip()

    return "\n".join([line(head), *(line([c.text for c in row]) for row in rows)])


def html_table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Markup:
    """Return an HTML table, aligned as ``text_table`` aligns it."""
    lefts = [all(row[i].left for row in rows) for i in range(len(head))]
    look = f"{_CELL};{_MUTED};font-weight:400"
    heads = "".join(
        f'<th style="{look};text-align:{_side(left=left)}">{escape(h)}</th>'
        for h, left in zip(head, lefts, strict=True)
    )
    # `Markup.format` takes eight times as long, and a table has thousands of cells. Each text is
    # escaped here.
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return trusted(
        '<table style="border-collapse:collapse;border:0">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(cell: Cell) -> str:
    text = str(escape(cell.text))
    colour = _COLOURS.get(cell.tone)
    inner = text if colour is None else f'<span style="color:{colour}">{text}</span>'
    return f'<td style="{_CELL};text-align:{_side(left=cell.left)}">{inner}</td>'


def trusted(html: str) -> Markup:
    """Return HTML as ``Markup``, unchanged. Use it only for HTML that is escaped already."""
    # Text from outside becomes HTML by `Markup.format`, which escapes it. A search for this
    # function finds all exceptions.
    return Markup(html)  # noqa: S704 - the one place


def joined(parts: Iterable[Markup]) -> Markup:
    """Return pieces of HTML one after the other."""
    return Markup().join(parts)


def card(mode: Mode | None, title: str, body: Markup | None = None) -> Markup:
    """Return an HTML output: badge, title, body. A title that is no ``Markup`` is escaped."""
    style = (
        "font-family:var(--jp-ui-font-family, sans-serif);font-size:13px;"
        f"font-variant-numeric:tabular-nums;color:{TEXT}"
    )
    drawn = body or Markup()
    # The colours of prices depend on the page's theme, so they come as variables.
    coloured_ = trusted(in_notebook()) if "var(--kisnb-" in f"{title}{drawn}" else Markup()
    return Markup('{}<div class="kisnb" style="{}"><div>{}{}</div>{}</div>').format(
        coloured_, style, badge_html(mode), title, drawn
    )


def bundle(text: str, html: Markup) -> dict[str, str]:
    """Return an output for IPython: text, and HTML.

    Both are plain ``str``, because ``Markup`` would escape what other code adds to it.
    """
    return {"text/plain": text, "text/html": str(html)}


def _side(*, left: bool) -> str:
    return "left" if left else "right"
