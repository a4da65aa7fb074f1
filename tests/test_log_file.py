"""Logs of processes that nobody watches are bounded, and keep the last words of a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CRASHING = """
import faulthandler, logging, sys
from pathlib import Path
import kisnb.log_file as log_file
log_file.BYTES = 10_000
log_file.begin_log(Path(sys.argv[1]))
for n in range(2_000):
    logging.info("line %d", n)
print("a word on standard output", flush=True)
faulthandler._sigabrt()
"""


def test_a_log_is_begun_anew_when_it_is_large_and_the_crash_stands_in_the_newest_file(
    tmp_path: Path,
):
    path = tmp_path / "desk.log"
    done = subprocess.run(
        [sys.executable, "-c", CRASHING, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode < 0
    assert (done.stdout, done.stderr) == ("", "")
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["desk.log", "desk.log.1", "desk.log.2", "desk.log.3"]
    assert all(file.stat().st_size < 12_000 for file in files)
    newest = path.read_text("utf-8")
    assert "line 1999" in newest
    assert newest.index("a word on standard output") < newest.index("Fatal Python error: Aborted")
