"""A simulator that plays KIS's live or paper host for a desk that is configured for KIS."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from kisnb.clock import KST
from kisnb.market.calendar import next_trading_day
from tests.forking.popen import Popen


class OwnHost:
    """A process with keys of its own, which it writes to a ``kis_devlp.yaml`` in ``folder``.

    It plays the next trading day, because the desk's clock is that of the machine.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(exist_ok=True)
        day = next_trading_day(datetime.now(KST).date())
        command = [sys.executable, "-m", "kisnb", "sim", "--date", str(day)]
        command += ["--write-config", str(folder), *options]
        self._process = Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.said: dict[str, Any] = json.loads(self._process.stdout.readline())
        self.file = folder / "kis_devlp.yaml"
        self.entries: dict[str, str] = yaml.safe_load(self.file.read_text("utf-8"))

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=10)
