"""What SIMULATOR.md shows works as it stands there: each curl line, the fault file, the tables.

Rows H03, H04.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kisnb.simulator.host.faults import DEEDS
from kisnb.simulator.host.quirks import QUIRKS
from kisnb.simulator.serve.command import main
from kisnb.simulator.serve.fault_file import read_faults

from .customer import DAY, at
from .test_control import Controlled

PAGE = (Path(__file__).parents[2] / "SIMULATOR.md").read_text("utf-8")
CURL = re.compile(r"^curl -s (-X POST )?\$C/(\w+)(?:\s+-d '(.*?)')?", re.MULTILINE)


@pytest.mark.parametrize(("post", "verb", "body"), CURL.findall(PAGE), ids=lambda part: part[:20])
def test_a_documented_control_line_does_what_it_says(post: str, verb: str, body: str) -> None:
    one = Controlled()
    if verb == "cancel":
        one.ask("POST", "trade", code="005930", side="buy", qty=1, price=60_000)
    said = one.control.answer("POST" if post or body else "GET", verb, body.encode())
    assert "error" not in said
    assert said


def test_every_verb_is_documented() -> None:
    verbs = {verb for _, verb in Controlled().control._verbs}
    shown = {verb for _, verb, _ in CURL.findall(PAGE)} | {"resume", "revoke"}
    assert verbs == shown


def test_the_documented_fault_file_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "faults.toml"
    file.write_text(text)
    faults = read_faults(file, DAY)
    assert [fault.what for fault in faults.armed] == ["cut", "drop", "kill"]
    assert faults.due() == at("09:30")


def test_every_deed_and_point_is_documented() -> None:
    words = set(re.findall(r"`(\w+)`", PAGE))
    assert words >= set(DEEDS) | set().union(*DEEDS.values())


def test_the_help_lists_every_quirk_with_its_source_and_the_fault_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(name in said and quirk.source in said for name, quirk in QUIRKS.items())
    assert "[[fault]]" in said


def test_the_documented_step_is_a_moment_of_a_trading_day() -> None:
    (until,) = [json.loads(body)["until"] for _, verb, body in CURL.findall(PAGE) if verb == "step"]
    assert at("09:00") < until < at("20:00")
