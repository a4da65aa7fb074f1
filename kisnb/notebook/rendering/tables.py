"""Tables and mode badges for notebook outputs: aligned text, and HTML that brings its own style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from unicodedata import east_asian_width

from kisnb.terms import Mode

RISE = "var(--kisnb-rise, #d60000)"
FALL = "var(--kisnb-fall, #0051c7)"
"""Korean colours: rising and buying red, falling and selling blue."""

_BADGES = {
    Mode.SIM: ("#ffffff", "#5b3fa8"),
    Mode.PAPER: ("#3a2a00", "#ffc233"),
    Mode.LIVE: ("#ffffff", "#c40000"),
}
UNSURE = "background:#ffc233;color:#3a2a00;padding:0 4px"
"""What a person must not take for known."""
_CELL = "padding:2px 10px;border:0;white-space:nowrap"
_MUTED = "color:var(--jp-ui-font-color2, #616161)"


@dataclass(frozen=True)
class Cell:
    """One value of a table; ``tone`` is +1 for rising or buying, -1 for falling or selling."""

    text: str
    tone: int = 0
    left: bool = False


def number(value: float | None, digits: int = 0) -> str:
    """``71,000``; empty for None."""
    return "" if value is None else f"{value:,.{digits}f}"


def signed(value: float, digits: int = 0) -> str:
    """``+500``, ``-500``, ``0``."""
    return f"{value:+,.{digits}f}" if round(value, digits) else "0"


def tone(value: float) -> int:
    return (value > 0) - (value < 0)


def badge_text(mode: Mode | None) -> str:
    """``"[SIM] "``; empty without a session."""
    return mode.badge if mode else ""


def badge_html(mode: Mode | None) -> str:
    """A coloured plate: violet for the simulator, amber for paper, red for live."""
    if mode is None:
        return ""
    front, back = _BADGES[mode]
    return (
        f'<span class="kisnb-mode" style="background:{back};color:{front};font-weight:700;padding:1px 8px;'
        f'border-radius:3px;margin-right:8px">{mode.upper()}</span>'
    )


def coloured(text: str, direction: int) -> str:
    """Escaped text in the colour of its direction."""
    if not direction:
        return escape(text)
    return f'<span style="color:{RISE if direction > 0 else FALL}">{escape(text)}</span>'


def width(text: str) -> int:
    """Columns on a terminal: Korean syllables take two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def text_table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Aligned columns, two blanks between them; a column of left cells has a left head."""
    lefts = [all(row[i].left for row in rows) for i in range(len(head))]
    widths = [max([width(h), *(width(row[i].text) for row in rows)]) for i, h in enumerate(head)]

    def line(texts: Sequence[str]) -> str:
        padded = []
        for text, left, columns in zip(texts, lefts, widths, strict=True):
            blank = " " * (columns - width(text))
            padded.append(text + blank if left else blank + text)
        return "  ".join(padded).rstrip()

    return "\n".join([line(head), *(line([c.text for c in row]) for row in rows)])


def html_table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """The same table as HTML, everything escaped."""
    lefts = [all(row[i].left for row in rows) for i in range(len(head))]
    heads = "".join(
        f'<th style="{_CELL};{_MUTED};font-weight:400;text-align:{"left" if left else "right"}">{escape(h)}</th>'
        for h, left in zip(head, lefts, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_CELL};text-align:{"left" if c.left else "right"}">{coloured(c.text, c.tone)}</td>'
            for c in row
        )
        + "</tr>"
        for row in rows
    )
    style = "border-collapse:collapse;border:0"
    return f'<table style="{style}"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def card(mode: Mode | None, title: str, body: str = "") -> str:
    """An HTML output: badge, title (HTML), body (HTML)."""
    style = (
        "font-family:var(--jp-ui-font-family, sans-serif);font-size:13px;font-variant-numeric:tabular-nums;"
        "color:var(--jp-ui-font-color1, #212121)"
    )
    return f'<div class="kisnb" style="{style}"><div>{badge_html(mode)}{title}</div>{body}</div>'
