"""N06: `%kis arm` asks a person at the keyboard, and refuses where nobody can be asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.notebook.real_kernels import kernel, stop_desk
from tests.session.opening import begun_for_live, posts, stop_sim_desk

ARM = "%kis arm --minutes 30 --budget 50_000_000"


@pytest.mark.usefixtures("trading_hours")
def test_n06_live_is_armed_at_the_keyboard_alone(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KISNB_SIM_SPEED", "300")
    keys = begun_for_live(state)
    stop_sim_desk()
    tail = yaml.safe_load(keys.read_text("utf-8"))["my_acct_stock"][4:8]
    with kernel(state, KISNB_CREDENTIALS=str(keys)) as k:
        k.ok("%load_ext kisnb")
        opened = k.ok("%kis open live").text
        assert "[LIVE] List of stocks: the list that comes with kisnb, 26 stocks." in opened
        assert "kisnb master download" in opened
        assert k.ok("%kis arm").text.startswith("[LIVE] live is not armed: buys are blocked")
        nobody = k.run(ARM).error
        assert nobody.startswith("BadInput: This front end cannot ask for input")
        assert nobody.endswith("Run %kis arm in a notebook cell.")
        wrong = k.start(ARM, keyboard=True)
        assert k.answer("0000") == "Last four digits of the account: "
        assert "not the last four digits" in k.finish(wrong).error
        assert k.run("%kis buy 005930 1", "buy").error.startswith("OrderDenied: Live is not armed")
        right = k.start(ARM, keyboard=True)
        k.answer(tail)
        armed = k.finish(right)
        assert armed.text.startswith("[LIVE] live is armed until")
        assert tail not in armed.text
        assert k.ok("%kis buy 005930 1 --again", "buy").text.startswith("[LIVE] #")
        assert k.ok("%kis arm off").text.startswith("[LIVE] disarmed")
    assert len(posts()) == 1
    stop_desk(state)
