"""The examples of SIMULATOR.md work as the page shows them. Rows H03, H04.

The curl lines, the fault file, the tables, the programs and the commands of the first start.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kisnb.simulator.host.faults import DEEDS
from kisnb.simulator.host.quirks import QUIRKS
from kisnb.simulator.serve.command import main
from kisnb.simulator.serve.fault_file import read_faults

from .customer import DAY, at
from .test_control import Controlled

BIN = Path(sys.executable).parent
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


def block(language: str, words: str) -> str:
    """Return the one code block of this language that contains ``words``."""
    (text,) = [
        text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if words in text
    ]
    return str(text)


BOT = '''
import json
import urllib.error
import urllib.request


class Bot:
    """Buys one share in each of the first three seconds, and reads its balance at the end."""

    def __init__(self, host):
        self.host, self.seconds, self.lost, self.positions = host, 0, 0, {}
        body = {"grant_type": "client_credentials", **self.keys()}
        self.token = self.call("/oauth2/tokenP", body)["access_token"]

    def keys(self):
        return {"appkey": self.host["appkey"], "appsecret": self.host["appsecret"]}

    def call(self, path, body, **headers):
        request = urllib.request.Request(
            self.host["rest"] + path, json.dumps(body).encode(), headers
        )
        return json.load(urllib.request.urlopen(request))

    def on_second(self):
        self.seconds += 1
        if self.seconds > 3:
            return
        account, product = self.host["account"].split("-")
        order = {"CANO": account, "ACNT_PRDT_CD": product, "PDNO": "005930", "ORD_DVSN": "01",
                 "ORD_QTY": "1", "ORD_UNPR": "0", "EXCG_ID_DVSN_CD": "KRX"}
        try:
            self.call("/uapi/domestic-stock/v1/trading/order-cash", order,
                      authorization=f"Bearer {self.token}", tr_id="TTTC0012U", **self.keys())
            self.positions["005930"] = self.positions.get("005930", 0) + 1
        except OSError:
            self.lost += 1
'''


def shell() -> dict[str, str]:
    """Return the environment of a shell in which the project's ``.venv`` is active."""
    return os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def test_the_documented_test_of_a_bot_passes(tmp_path: Path) -> None:
    (tmp_path / "my_bot.py").write_text(BOT)
    text = block("python", "from my_bot import Bot") + "assert bot.positions == {'005930': 2}\n"
    (tmp_path / "test_it.py").write_text(text + "assert bot.lost == 1\n")
    done = subprocess.run(
        [sys.executable, "test_it.py"],
        cwd=tmp_path,
        env=shell(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_documented_start_waits_for_the_ready_line_and_the_first_program_gets_a_price(
    tmp_path: Path,
) -> None:
    start = block("sh", "--port 9443").replace("--port 9443 --ws-port 21000", "--date 2026-11-20")
    start = start.replace("make setup && . .venv/bin/activate\n", "")
    program = tmp_path / "first.py"
    program.write_text(block("python", "tokenP"))
    # An old file must not be taken for the ready line of this start.
    (tmp_path / "sim.json").write_text("{}")
    script = f"{start}\n{sys.executable} {program}\n"
    # Output to a file: the simulator inherits it, so a pipe would not end before the simulator.
    with (tmp_path / "out").open("w") as out:
        subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=shell(), stdout=out, timeout=60, check=True
        )
    said = json.loads((tmp_path / "sim.json").read_text())
    os.kill(said["pid"], signal.SIGTERM)
    assert int((tmp_path / "out").read_text()) > 0


def ask(one: Controlled) -> dict[str, Any]:
    """Return the reply to one query, asked without a pause."""
    customer = one.customer
    return json.loads(customer.ask("inquire_price", PRICE).body)


PRICE = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}


def test_in_lockstep_call_19_is_refused_until_the_clock_moves_a_second() -> None:
    one = Controlled()
    one.ask("POST", "step", until=at("09:00:40"))
    replies = [ask(one) for _ in range(19)]
    assert [reply["rt_cd"] for reply in replies] == ["0"] * 18 + ["1"]
    assert replies[-1]["msg_cd"] == "EGW00201"
    while one.ask("POST", "step", until=at("09:00:41"))["now"] < at("09:00:41"):
        pass
    assert ask(one)["rt_cd"] == "0"
