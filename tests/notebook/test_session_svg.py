"""M01: a day drawn."""

from datetime import date
from xml.etree import ElementTree as ET

import pytest

from kisnb.notebook.charts.session_svg import DayHours


def test_m01_a_day_as_text() -> None:
    lines = repr(DayHours(date(2026, 9, 14))).splitlines()
    assert lines[0] == "2026-09-14 Mon"
    assert "08:30:00 08:40:00 KRX pre-open closing price: continuous" in lines
    assert "16:00:00 20:00:00 KRX after-market: continuous" in lines
    assert "09:00:30 15:20:00 NXT regular: continuous" in lines


@pytest.mark.parametrize(
    "day", [date(2026, 9, 11), date(2026, 9, 14), date(2026, 11, 19), date(2026, 9, 12)]
)
def test_m01_a_day_as_a_drawing(day: date) -> None:
    root = ET.fromstring(DayHours(day)._repr_html_())
    titles = [title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")]
    ids = [text for text in titles if text.split()[0] in ("NXT_PRE", "KRX_REG", "NXT_AFTER")]
    if day == date(2026, 9, 12):
        assert titles == []
        assert "nothing trades" in "".join(root.itertext())
    elif day == date(2026, 11, 19):
        assert "KRX_REG 10:00:00 to 16:30:00" in ids
        assert "opens an hour later" in "".join(root.itertext())
    else:
        assert ids == [
            "NXT_PRE 08:00:00 to 08:50:00", "KRX_REG 09:00:00 to 15:30:00",
            "NXT_AFTER 15:30:00 to 20:00:00",
        ]  # fmt: skip
        assert ("single price 16:00:00 to 18:00:00" in titles) is (day == date(2026, 9, 11))
