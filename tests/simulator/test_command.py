"""``kisnb sim`` as a process: the ready line, the configuration file, bad input. Row H03."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from kisnb.errors import ConfigError
from kisnb.market import ticks
from kisnb.market.universe import Universe
from kisnb.simulator.serve.arguments import read_universe
from kisnb.simulator.serve.command import main

READY = {
    "rest",
    "ws",
    "control",
    "appkey",
    "appsecret",
    "account",
    "hts_id",
    "pid",
    "run",
    "seed",
    "date",
    "start",
    "speed",
}


def started(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    command = [sys.executable, "-m", "kisnb", "sim", "--date", "2026-11-20", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        pytest.fail(process.communicate()[1])
    return process, json.loads(line)


def test_it_says_where_it_is_writes_the_configuration_and_stops_on_sigterm(tmp_path: Path) -> None:
    recording = tmp_path / "day.jsonl"
    process, said = started(
        "--speed", "step", "--write-config", str(tmp_path), "--record", str(recording)
    )
    assert set(said) == READY
    assert (said["speed"], said["date"], said["start"], said["seed"]) == (
        "step",
        "2026-11-20",
        "09:00:00",
        1,
    )
    assert (len(said["appkey"]), len(said["appsecret"])) == (36, 180)
    with urllib.request.urlopen(said["control"] + "/state") as reply:
        assert json.load(reply)["run"] == said["run"]
    path = tmp_path / "kis_devlp.yaml"
    file = yaml.safe_load(path.read_text())
    assert (file["my_app"], file["my_sec"], file["prod"], file["ops"]) == (
        said["appkey"],
        said["appsecret"],
        said["rest"],
        said["ws"],
    )
    assert f"{file['my_acct_stock']}-{file['my_prod']}" == said["account"]
    assert [p.stat().st_mode & 0o777 for p in (path, recording)] == [0o600, 0o600]
    os.kill(said["pid"], signal.SIGTERM)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0


def test_the_file_that_it_writes_is_read_as_credentials(tmp_path: Path) -> None:
    from kisnb.kis.credentials import Credentials
    from kisnb.simulator.host.keys import made_up, write_configuration

    keys = made_up()
    path = write_configuration(tmp_path / "new", keys, "http://127.0.0.1:1", "ws://127.0.0.1:2")
    assert Credentials.from_yaml(path, paper=False) == keys
    assert "SIMULATED" in keys.appkey.reveal()
    assert "SIMULATED" in keys.appsecret.reveal()
    assert keys.appsecret.reveal() not in repr(keys)


BAD = [
    (["--date", "2026-11-21"], "not a trading day"),
    (["--date", "2018-01-02"], "2019-06-03"),
    (["--date", "tomorrow"], "YYYY-MM-DD"),
    (["--date", "1980-01-04"], "1980"),
    (["--date", "2026-11-20", "--start", "9 o'clock"], "HH:MM:SS"),
    (["--date", "2026-11-20", "--start", "25:00:00"], "HH:MM:SS"),
    (["--speed", "0"], "not a valid speed"),
    (["--speed", "nan"], "not a valid speed"),
    (["--quirks", "notice24"], "notice23"),
    (["--quirks", "anything"], "midnight-expiry"),
    (["--assume", "sor_krx_onyl"], "sor_krx_only"),
    (["--faults", "/nowhere/at/all.toml"], "cannot be read"),
    (["--universe", "/nowhere/at/all.csv"], "cannot be read"),
    (["--record", "/nowhere/at/all.jsonl"], "cannot be written"),
    (["--port", "99999"], "not a valid port"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(row[0]) for row in BAD])
def test_bad_input_is_one_line_with_the_cure(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [] if "--date" in arguments else ["--date", "2026-11-20"]
    assert main([*given, *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_a_taken_port_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--date", "2026-11-20", "--port", str(taken.getsockname()[1])]) == 2
    said = capsys.readouterr()
    assert "is taken" in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_missing_real_data_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KISNB_DATA", str(tmp_path / "nothing"))
    assert main(["--date", "2026-11-20"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--sped", "2"], ["--host", "demo"]])
def test_unknown_options_are_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_universe_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(
        "code,name,board,kind,shares,base,volume\n005930,삼성전자,KOSPI,stock,100,71000,5000\n",
        "utf-8",
    )
    universe = read_universe(file)
    assert [item.code for item in universe] == ["005930"]
    assert universe.get("005930").base == 71_000
    assert universe.get("005930").name == Universe.packaged().get("005930").name


def test_h03_a_preferred_share_of_a_universe_file_is_told_by_its_code(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    rows = (
        "005930,삼성전자,KOSPI,stock,100,71000,5000,1",
        "005935,삼성전자우,KOSPI,stock,100,58000,5000,0",
    )
    file.write_text("\n".join(["code,name,board,kind,shares,base,volume,nxt", *rows, ""]))
    universe = read_universe(file)
    common = universe.common_of("005935")
    assert common is not None
    assert (common.code, common.nxt, common.preferred) == ("005930", True, False)


def test_m06_a_universe_file_states_what_decides_the_limits(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    rows = (
        "122630,KODEX 레버리지,KOSPI,etf,100,17310,5000,,,,",
        "500001,새상장,KOSDAQ,stock,100,26000,5000,,2026-11-20,26000,",
        "500002,정리기업,KOSDAQ,stock,100,500,5000,,,,1",
        "Q50003,절반 ETN,KOSPI,etn,100,10000,5000,1.5,,,".replace("Q50003", "Q500003"),
    )
    more = "multiple,listed_on,offer,liquidation"
    file.write_text(
        "\n".join([f"code,name,board,kind,shares,base,volume,{more}", *rows, ""]), "utf-8"
    )
    day = date(2026, 11, 20)
    limits = {item.code: ticks.limits_of(item, day) for item in read_universe(file)}
    assert limits == {
        "122630": (6_925, 27_695),
        "500001": (15_600, 104_000),
        "500002": None,
        "Q500003": (5_500, 14_500),
    }


ROW = "005930,삼성전자,KOSPI,stock,100,71000,5000"
WRONG = [
    (ROW + "\n" + ROW, "line 3: 005930 is listed twice"),
    (ROW.replace("005930", "5930"), "line 2: '5930' is not a stock code"),
    (ROW.replace("005930", "A05930"), "line 2: 'A05930' is not a stock code"),
    (ROW.replace("005930", "Q0593"), "line 2: 'Q0593' is not a stock code"),
    (ROW.replace("71000", "-5"), "line 2: 005930 has a base price of -5"),
    (ROW.replace("71000", "dear"), "line 2 is not an issue of a universe"),
    (ROW.replace("KOSPI", "NYSE"), "line 2 is not an issue of a universe"),
    (",,,,,,\n" + ROW + ",1,2", "line 3 has more cells than the header"),
    ("", "names no issue"),
]


def test_h03_a_universe_file_is_read_as_excel_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "excel.csv"
    text = f"code,name,board,kind,shares,base,volume\r\n{ROW}\r\n,,,,,,\r\n"
    file.write_bytes(text.encode("utf-8-sig"))
    assert [item.code for item in read_universe(file)] == ["005930"]
    file.write_bytes(text.encode("cp949"))
    with pytest.raises(ConfigError, match=r"is not in UTF-8.*Save it as CSV UTF-8"):
        read_universe(file)


@pytest.mark.parametrize(("rows", "words"), WRONG, ids=[words[:20] for _, words in WRONG])
def test_a_corrupt_universe_is_refused_at_the_start(
    rows: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f"code,name,board,kind,shares,base,volume\n{rows}\n", "utf-8")
    assert main(["--date", "2026-11-20", "--universe", str(file)]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_faults_and_quirks_of_the_command_line_are_played(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text('[[fault]]\non = "oauth"\nwhat = "refuse"\nmsg_cd = "EGW00002"\n')
    process, said = started(
        "--speed", "step", "--host", "paper", "--faults", str(file), "--quirks", "short-odno"
    )
    keys = {
        "appkey": said["appkey"],
        "appsecret": said["appsecret"],
        "grant_type": "client_credentials",
    }
    request = urllib.request.Request(said["rest"] + "/oauth2/tokenP", json.dumps(keys).encode())
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert json.load(refused.value)["error_code"] == "EGW00002"
    with urllib.request.urlopen(request) as reply:
        assert json.load(reply)["token_type"] == "Bearer"
    assert said["appkey"].startswith("PSPAPER")
    os.kill(said["pid"], signal.SIGTERM)
    process.communicate(timeout=20)


def test_n11_a_file_with_real_keys_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = tmp_path / "kis_devlp.yaml"
    real.write_text('my_app: "the real appkey"\n', "utf-8")
    assert main(["--date", "2026-11-20", "--write-config", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"{real} was not written by the simulator, and may hold your real keys. "
        "Name another folder for --write-config.\n"
    )
    assert main(["--date", "2026-11-20", "--record", str(real)]) == 2
    assert (
        capsys.readouterr().err
        == f"{real} is not a recording and would be lost. Name another file for --record.\n"
    )
    assert real.read_text("utf-8") == 'my_app: "the real appkey"\n'


def test_what_the_simulator_wrote_it_writes_again(tmp_path: Path) -> None:
    recording, keys = tmp_path / "day.jsonl", []
    for _ in range(2):
        process, said = started(
            "--speed", "step", "--write-config", str(tmp_path), "--record", str(recording)
        )
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(said["rest"] + "/what-is-recorded")
        keys.append(yaml.safe_load((tmp_path / "kis_devlp.yaml").read_text())["my_app"])
        os.kill(said["pid"], signal.SIGTERM)
        process.communicate(timeout=20)
    assert keys[0] != keys[1]
    assert recording.read_text().count("what-is-recorded") == 1
