"""A04, N02: the interrupt button stops the cell, at once and readably, and nothing beside it."""

import pytest

from .real_kernels import kernel

# IPython compiles each statement when its turn comes. This one takes a while.
SLOW_TO_COMPILE = f"slow = [{'[], ' * 400_000}]"
# A signal may arrive at an instruction that has no line number. Here no instruction has one:
# each entry of the code's line table says "no line" for up to eight instructions.
WITHOUT_LINES = """
def spin():
    while True: pass
n = len(spin.__code__.co_code) // 2
table = bytes(0xF8 + min(8, n - done) - 1 for done in range(0, n, 8))
spin.__code__ = spin.__code__.replace(co_linetable=table)
print('go', flush=True)
spin()
"""


@pytest.fixture(scope="module")
def k(tmp_path_factory):
    with kernel(tmp_path_factory.mktemp("state")) as started:
        started.ok("%load_ext kisnb\nimport asyncio, time, signal")
        started.ok(
            "beats = []\n"
            "async def beat():\n"
            "    while True:\n"
            "        beats.append(1)\n"
            "        await asyncio.sleep(0.01)\n"
            "task = asyncio.create_task(beat())\n"
            "await asyncio.sleep(0)"
        )
        yield started


@pytest.mark.parametrize(
    "body",
    [
        "print('go', flush=True)\nwhile True: pass",
        "await asyncio.sleep(0)\nprint('go', flush=True)\nwhile True: pass",
        "await asyncio.sleep(0)\nprint('go', flush=True)\ntime.sleep(60)",
        "await asyncio.sleep(0)\nprint('go', flush=True)\nsum(1 for _ in iter(int, 1))",
        f"await asyncio.sleep(0)\nprint('go', flush=True)\n{SLOW_TO_COMPILE}\ntime.sleep(60)",
        WITHOUT_LINES,
    ],
    ids=[
        "plain",
        "awaiting cell on the CPU",
        "awaiting cell in a call",
        "awaiting cell in a generator",
        "awaiting cell between two statements",
        "at an instruction without a line",
    ],
)
def test_a_cell_on_the_cpu_stops_with_an_error(k, body):
    request = k.start(body)
    k.wait_until_shown(request, "go")
    k.interrupt()
    assert "KeyboardInterrupt" in k.finish(request).error


def test_a_waiting_cell_is_cancelled_and_what_runs_beside_it_goes_on(k):
    for _ in range(3):
        said_while_waiting = "asyncio.get_running_loop().call_soon(print, 'go')"
        request = k.start(f"{said_while_waiting}\nawait asyncio.sleep(60)")
        k.wait_until_shown(request, "go")
        k.interrupt()
        assert "CancelledError" in k.finish(request).error
    k.ok("before = len(beats)\nwhile len(beats) == before: await asyncio.sleep(0.01)")
    assert k.ok("print(task.done())").text == "False\n"


def test_after_the_cell_the_signal_belongs_to_whom_it_belonged_before(k):
    during = k.ok("print(signal.getsignal(signal.SIGINT))").text
    k.ok("%unload_ext kisnb")
    after = k.ok("print(signal.getsignal(signal.SIGINT))").text
    k.ok("%load_ext kisnb")
    assert "InterruptGuard" in during
    assert "kisnb" not in after
