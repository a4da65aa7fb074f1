"""N01: `%load_ext kisnb` is silent and light, and `%unload_ext` leaves IPython as it was."""

import json
import signal
import subprocess
import sys

HEAVY = {
    "aiohttp", "anywidget", "cryptography", "exchange_calendars", "holidays", "ipywidgets",
    "jinja2", "keyring",
    "nbclient", "nest_asyncio", "plotly", "polars", "pydantic", "pydantic_settings", "yaml",
}  # fmt: skip


def state_of(ip) -> dict[str, object]:
    """Everything of a shell that an extension can reach."""
    formatters = {
        **ip.display_formatter.formatters,
        "mime": ip.display_formatter.mimebundle_formatter,
    }
    return {
        "magics": {kind: set(table) for kind, table in ip.magics_manager.magics.items()},
        "registry": set(ip.magics_manager.registry),
        "transformers": list(ip.input_transformers_post),
        "callbacks": {event: list(callbacks) for event, callbacks in ip.events.callbacks.items()},
        "matchers": list(ip.Completer.custom_matchers),
        "configurables": list(ip.configurables),
        "formatters": {
            name: (dict(f.type_printers), dict(f.deferred_printers), dict(f.singleton_printers))
            for name, f in formatters.items()
        },
        "attributes": set(vars(ip)),
        "names": set(ip.user_ns),
        "exceptions": ip.custom_exceptions,
        "sigint": signal.getsignal(signal.SIGINT),
    }


def warm(ip) -> None:
    """Let IPython load what it loads late: its own magics, and what the first cell leaves
    behind."""
    ip.run_cell("x = 1")
    ip.run_cell("%who_ls\ndel x")


def test_n01_unload_leaves_ipython_as_it_was(bare_ip, capsys):
    warm(bare_ip)
    capsys.readouterr()
    before = state_of(bare_ip)
    bare_ip.extension_manager.load_extension("kisnb")
    loaded = state_of(bare_ip)
    changed = {name for name in before if before[name] != loaded[name]}
    assert {
        "magics",
        "registry",
        "transformers",
        "callbacks",
        "matchers",
        "formatters",
        "attributes",
    } <= changed
    bare_ip.run_cell("x = 1")
    bare_ip.run_cell("del x")
    bare_ip.extension_manager.unload_extension("kisnb")
    assert state_of(bare_ip) == before
    assert capsys.readouterr().out == ""


def test_n01_loading_twice_and_reloading_adds_nothing_twice(bare_ip):
    warm(bare_ip)
    bare_ip.extension_manager.load_extension("kisnb")
    once = state_of(bare_ip)
    bare_ip.extension_manager.load_extension("kisnb")
    sizes = {
        name: len(value) for name, value in once.items() if isinstance(value, (dict, list, set))
    }
    again = state_of(bare_ip)
    assert {name: len(again[name]) for name in sizes} == sizes
    bare_ip.extension_manager.reload_extension("kisnb")
    again = state_of(bare_ip)
    assert {name: len(again[name]) for name in sizes} == sizes
    bare_ip.extension_manager.unload_extension("kisnb")


def test_n01_nothing_heavy_is_imported():
    code = (
        "import sys, json\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "from traitlets.config import Config\n"
        "c = Config(); c.HistoryManager.enabled = False\n"
        "ip = InteractiveShell.instance(config=c)\n"
        "before = set(sys.modules)\n"
        "ip.extension_manager.load_extension('kisnb')\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in set(sys.modules) - before})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    new = set(json.loads(done.stdout))
    assert "kisnb" in new
    assert not new & HEAVY
    assert done.stderr == ""


def test_n02_without_a_desk_every_verb_says_how_to_open_one(shell):
    for cell in (
        "%kis quote 005930",
        "%kis orders",
        "x = %kis balance",
        "def f():\n    %kis quote 005930\nf()",
    ):
        result = shell.run(cell)
        assert result.error_in_exec._render_traceback_() == [
            "NotOpen: No desk is open in this notebook. Open one with %kis open sim."
        ]


def test_n02_help_needs_no_desk(shell, capsys):
    shell.value("%kis help buy")
    shell.value("%kis")
    assert "CODE QTY [PRICE]" in capsys.readouterr().out


def test_n03_a_mistake_is_one_line_and_a_real_error(shell, capsys):
    result = shell.run("%kis qoute 005930")
    assert not result.success
    shown = capsys.readouterr().out
    assert "Did you mean quote?" in shown
    assert "Traceback" not in shown
    assert len(shown.strip().splitlines()) == 1


def test_n03_a_bug_keeps_its_traceback(shell, capsys):
    shell.run("1 / 0")
    assert "Traceback" in capsys.readouterr().out


def test_n03_a_name_that_is_not_there_is_named(shell):
    result = shell.run("%kis help {verbb}")
    assert "verbb" in str(result.error_in_exec)
    assert len(result.error_in_exec._render_traceback_()) == 1


def test_n02_config_sets_the_default_length_of_bars(shell, capsys):
    shell.value("%config KisMagics.every = '5m'")
    assert shell.ip.kis.every == "5m"
    shell.run("%config KisMagics.every = 'five'")
    assert shell.ip.kis.every == "5m"
    shell.value("%config")
    assert "KisMagics" in capsys.readouterr().out


def test_n14_kis_config_takes_a_value_with_its_unit_as_it_is_typed(shell, capsys):
    for line, told in (
        ("max_quote_age 2.5 s", "max_quote_age is 2.5 s (file)"),
        ("max_day_loss 2.5 %", "max_day_loss is 2.50 % (file)"),
        ("max_day_loss 4%", "max_day_loss is 4.00 % (file)"),
        ("max_order_value 60,000,000 won", "max_order_value is 60,000,000 won (file)"),
    ):
        shell.value(f"%kis config {line}")
        assert told in capsys.readouterr().out
    assert "is not a file path" in str(shell.run("%kis config record on").error_in_exec)


def test_n02_where_no_loop_turns_a_command_of_a_function_is_awaited(shell):
    """As in a terminal and in a script: the shell's loop rests while a cell runs that does not
    await."""
    result = shell.run("def f():\n    %kis tasks\nf()")
    assert result.error_in_exec._render_traceback_() == [
        "NotOpen: No desk is open in this notebook. Open one with %kis open sim."
    ]
