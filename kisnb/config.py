"""One typed configuration: defaults, ``config.json`` in the state folder, the environment.

A later source wins. The configuration has no secrets: it names the file that contains them.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from datetime import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeAlias

import msgspec

from kisnb import values
from kisnb.clock import parse_time, seconds_since_midnight
from kisnb.errors import ConfigError
from kisnb.paths import state_dir, write_private

Won: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
"""A limit in won."""
PriceColours: TypeAlias = Literal["red-blue", "orange-blue"]
"""Names of two colours: of what rises, and of what falls."""
Source: TypeAlias = Literal["default", "file", "environment"]
"""The place that a setting comes from."""


LONGEST_WINDOW = 12 * 3600
"""Seconds of the longest blackout window.

A longer one is refused, because its two ends are swapped.
"""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings with their defaults.

    The environment variable of a setting is ``KISNB_`` and the setting's name in capitals. A desk
    reads its settings when it starts.
    """

    sim_speed: str = "1"
    """Speed of the simulator's clock: a number, or ``step`` for lockstep."""
    # A market order has no price of its own, and KIS reserves the upper limit price for it (KIS's
    # workbook, sheet order-cash). The limits count the same won as KIS does.
    max_order_value: Won = 50_000_000
    """Won that one order may be worth; a market order counts at its upper limit price."""
    max_stock_value: Won = 300_000_000
    """Won of one stock that may be held and on order to buy, together."""
    max_agent_value: Won = 300_000_000
    """Won that one agent may hold and have on order to buy, together."""
    max_account_value: Won = 1_000_000_000
    """Won that the account may hold and have on order to buy, together."""
    max_cash_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 30
    """Percent of the cash that one buy may use. A larger buy is refused as a typing error."""
    max_armed_budget: Won = 100_000_000
    """Won that buys may spend after one arming of a live desk."""
    max_quote_age: Annotated[float, msgspec.Meta(gt=0, le=60)] = 2.0
    """Seconds. The desk does not buy on a price that is older."""
    max_day_loss: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 300
    """Loss of the day, in hundredths of a percent. Above it the desk is reducing.

    Then it accepts only cancels, and sells up to the position.
    """
    blackout: str = ""
    """Times of day (KST) in which no order is sent.

    ``08:59:50-09:00:10,15:19-15:21``; ``23:30-00:10`` ends on the next day.
    """
    assume: str = ""
    """Uncertain facts of the market whose other variant is used. Empty: none.

    Names, separated by commas: ``nxt_after_call,sor_krx_only``.
    """
    routing: Literal["spread", "cost"] = "spread"
    """The rule that chooses between KRX and Nextrade when both accept an order.

    ``spread``: the tighter spread, then the shares shown. ``cost``: the lower expected cost first.
    """
    fees: str = "bankis"
    """Commission plan of the account: the name of a plan, or own rates in percent.

    Such as ``krx=0.0140527,nxt=0.0130527,fund=0.0146527``.
    """
    order_timeout: Annotated[float, msgspec.Meta(gt=0, le=300)] = 10.0
    """Seconds of wall time after which an order without a reply counts as unknown."""
    calls_per_second: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    """REST calls a second and appkey. 0: the safe rate of ``kis/endpoint.py``.

    KIS allows new customers 3 for three days (KIS notice of 2026-03-20).
    """
    credentials: str = ""
    """Path of a ``kis_devlp.yaml`` with the keys. Empty: from the environment, else the keyring."""
    # KIS's samples (stocks_info) take the master files from here. No login is needed.
    master_url: str = "https://new.real.download.dws.co.kr/common/master"
    """Address of the folder with KIS's master files, for ``kisnb master download``."""
    record: str = ""
    """Path of a file for all traffic of a desk with KIS, masked, as lines of JSON. Empty: none."""

    price_colours: PriceColours = "red-blue"
    """Colours of rising and of falling prices. ``orange-blue`` is safe for the colour-blind."""

    tape: Literal["on", "off"] = "on"
    """``on``: a desk records its day on a tape: market data, and the events of its orders."""
    tape_max_mb: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 2_000
    """Megabytes (1,000,000 bytes) that a desk's tapes may use on the disk.

    The oldest tapes are deleted first. When today's tape alone is larger, it ends there.
    """
    tape_days: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 30
    """Trading days whose tapes a desk keeps, today included."""

    @property
    def speed(self) -> float:
        """The simulator's speed as a number; 0 is lockstep. Raises ConfigError."""
        if self.sim_speed == "step":
            return 0.0
        try:
            speed = float(self.sim_speed)
        except ValueError:
            speed = -1.0
        # NaN fails this comparison as well, so `sim_speed=nan` is refused.
        if not 0 < speed <= 100_000:
            raise ConfigError(
                f"sim_speed={self.sim_speed!r} is not a valid speed",
                "give a number up to 100,000, or step",
            )
        return speed

    @property
    def windows(self) -> tuple[tuple[time, time], ...]:
        """The blackout windows, from (inclusive) to (exclusive), KST. Raises ConfigError."""
        return tuple(_window(text.strip()) for text in self.blackout.split(",") if text.strip())

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits, equal for equal settings.

        The settings of file paths, of the tape and of colours do not count.
        """
        # The report shows this hash. Two people with the same limits get the same hash, although
        # their files are in different folders.
        settings = msgspec.to_builtins(msgspec.structs.replace(self, credentials="", record=""))
        counted = {name: value for name, value in settings.items() if name not in (*TAPE, *LOOK)}
        return hashlib.sha256(msgspec.json.encode(counted)).hexdigest()[:12]


PATHS = ("credentials", "record")
"""Settings that name a file."""
TAPE = ("tape", "tape_max_mb", "tape_days")
"""Settings of the tape. They do not change the trading."""
LOOK = ("price_colours",)
"""Settings that change what people see. Outputs and panels read them each time."""
NAMES = tuple(field.name for field in msgspec.structs.fields(Config))
"""Names of all settings."""
HUNDREDTHS = "max_day_loss"
"""The setting whose value is in hundredths of a percent."""
RESTART = "kisnb desk restart, then %kis open; a simulated day goes on, agents are started again"
"""The step that makes a desk read its settings again, for people."""


class Meaning(NamedTuple):
    """A setting's meaning, for people."""

    unit: str
    """``won``, ``%``, ``s``, ``MB``, ``days``, ``calls/s``; empty for a text."""
    text: str
    example: str


MEANINGS = {
    "sim_speed": Meaning(
        "", "speed of the simulated clock; step: it moves only while a cell waits", "10"
    ),
    "max_order_value": Meaning(
        "won",
        "the most one order may be worth; a market buy counts at the upper limit",
        "50,000,000 won",
    ),
    "max_stock_value": Meaning(
        "won", "the most held and on order to buy of one stock", "300,000,000 won"
    ),
    "max_agent_value": Meaning(
        "won", "the most one agent may hold and have on order to buy", "300,000,000 won"
    ),
    "max_account_value": Meaning(
        "won", "the most held and on order to buy in the account", "1,000,000,000 won"
    ),
    "max_cash_percent": Meaning("%", "the part of the cash that one buy may take", "30%"),
    "max_armed_budget": Meaning(
        "won", "the most buys may spend after one %kis arm (live)", "100,000,000 won"
    ),
    "max_quote_age": Meaning("s", "no buy on a price that is older", "2 s"),
    HUNDREDTHS: Meaning(
        "%", "loss of the day above which only cancels and reducing sells pass", "3%"
    ),
    "blackout": Meaning(
        "", "times of day (KST) in which no order is sent", "08:59:50-09:00:10,15:19-15:21"
    ),
    "assume": Meaning(
        "", "uncertain facts of the market, taken the other way", "nxt_after_call,sor_krx_only"
    ),
    "routing": Meaning(
        "",
        "what chooses between KRX and NXT: spread (the tighter), or cost (the lower whole cost)",
        "cost",
    ),
    "fees": Meaning(
        "",
        "commission plan of the account: bankis, agencies, branch, paper, or rates in percent",
        "krx=0.0140527,nxt=0.0130527,fund=0.0146527",
    ),
    "order_timeout": Meaning(
        "s", "an order without an answer counts as unknown after this", "10 s"
    ),
    "calls_per_second": Meaning(
        "calls/s", "REST calls with one appkey; 0: 15 at live, 1 at paper", "3"
    ),
    "credentials": Meaning(
        "", "path of a kis_devlp.yaml with the keys for paper and live", "~/KIS/kis_devlp.yaml"
    ),
    "master_url": Meaning(
        "",
        "address of KIS's master files, for kisnb master download",
        "http://127.0.0.1:8080/common/master",
    ),
    "record": Meaning(
        "", "file that gets all traffic with KIS, masked, a JSON line each", "wire.jsonl"
    ),
    "price_colours": Meaning(
        "",
        "rising and falling prices: red-blue, or orange-blue, which is safe for the colour-blind",
        "orange-blue",
    ),
    "tape": Meaning("", "whether a desk writes a tape of its day: on or off", "off"),
    "tape_max_mb": Meaning(
        "MB", "disk that all tapes of a desk may take; the oldest days go first", "2,000 MB"
    ),
    "tape_days": Meaning("days", "days whose tapes are kept, today included", "30 days"),
}
"""The meaning of each setting."""
_UNITS = {
    "won": ("won", r"(?:won|krw|원)"),
    "%": ("percent", r"(?:%|percent|퍼센트)"),
    "s": ("seconds", r"(?:s|secs?|seconds?|초)"),
    "MB": ("megabytes", r"(?:mb|megabytes?)"),
    "days": ("days", r"(?:days?|일)"),
    "calls/s": ("calls a second", r"(?:calls?/s|/s|calls? a second)"),
}
"""For each unit: its word, and a pattern of the spellings that may follow a number."""


def shown(name: str, config: Config) -> str:
    """Return a setting with its unit: ``50,000,000 won``, ``3.00 %``; a text without a unit."""
    value, unit = getattr(config, name), MEANINGS[name].unit
    if name == HUNDREDTHS:
        return f"{value / 100:.2f} %"
    return (
        f"{value:,} {unit}"
        if isinstance(value, int)
        else f"{value:g} {unit}"
        if unit
        else str(value)
    )


def raised(name: str) -> str:
    """Return the cure that tells a person how to raise the limit ``name``."""
    return f"raise {name}: %kis config {name} NEW, then kisnb desk restart and %kis open"


def config_file() -> Path:
    """Return the path of the file that keeps settings."""
    return state_dir() / "config.json"


def load_config() -> Config:
    """Read file and environment, and return the configuration in force.

    Raises ConfigError for a wrong value.
    """
    return _checked({**_filed(), **_given()})


def sources() -> dict[str, Source]:
    """Return the place that each setting comes from, by the setting's name. Raises ConfigError."""
    filed, given = _filed(), _given()
    return {n: "environment" if n in given else "file" if n in filed else "default" for n in NAMES}


def price_colours() -> PriceColours:
    """Return the colours of rising and falling prices; the default when no setting can be read."""
    # A wrong setting is named where it matters. It must not keep a table from being drawn.
    with suppress(ConfigError):
        return load_config().price_colours
    return "red-blue"


def set_config(name: str, value: str | None) -> Config:
    """Write a setting to the file; return the configuration that is then in force.

    ``value`` None removes the setting from the file, so its default counts. Raises ConfigError for
    an unknown name, for a value that is out of range, and for a setting that the environment fixes.
    In these cases nothing is written.
    """
    if name not in NAMES:
        raise ConfigError(f"there is no setting {name!r}", f"there are {', '.join(NAMES)}")
    # The environment wins when a desk starts. So a value in the file would have no effect, although
    # the person expects one.
    if name in _given():
        raise ConfigError(
            f"{name} is set by the environment", f"unset KISNB_{name.upper()}, or change it there"
        )
    filed = _filed()
    filed.pop(name, None)
    if value is not None:
        # The path is made absolute now, from the notebook's folder. The desk that reads the path
        # runs in another folder.
        filed[name] = full_path(value) if name in PATHS and value else _plain(name, value)
    # Two checks: the first of the configuration in force, the second of the file alone. A wrong
    # value in the file, which an environment variable hides today, would break a desk that starts
    # without the variable.
    config = _checked({**filed, **_given()})
    kept = msgspec.to_builtins(_checked(filed))
    write_private(
        config_file(),
        # Only settings that a person set are written. So when a later version changes a default,
        # all others get the new one.
        msgspec.json.format(msgspec.json.encode({n: kept[n] for n in filed})).decode(),
    )
    return config


def full_path(path: str) -> str:
    """Return ``path`` in full, from this process's working folder; a ``~`` in front stays.

    A desk has a working folder of its own, so a relative path would name a different file there.
    """
    # `~` stays, because a notebook and a desk of one user expand it to the same folder.
    return path if path.startswith("~") else str(Path(path).absolute())


def takes(name: str) -> str:
    """Return a description of the values that a setting accepts, for people.

    For example ``a number of seconds above 0 to 60, such as 2 s``.
    """
    unit, text, example = MEANINGS[name]
    if name == HUNDREDTHS:
        return f"percent from 0.01 to 100, with two digits at most, such as {example}"
    info = msgspec.inspect.type_info(Config)
    assert isinstance(info, msgspec.inspect.StructType)
    kind = next(f.type for f in info.fields if f.name == name)
    if not isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        return f"{text}, such as {example}"
    least = (
        f"from {kind.ge:,}"
        if kind.ge is not None
        else f"above {kind.gt:,}"
        if kind.gt is not None
        else ""
    )
    most = f"to {kind.le:,}" if kind.le is not None else "up"
    number = "a whole number" if isinstance(kind, msgspec.inspect.IntType) else "a number"
    return f"{number} of {_UNITS[unit][0]} {least} {most}, such as {example}"


def _given() -> dict[str, object]:
    """Read the environment variables, and return the settings that they give, by name."""
    given = {name: os.environ.get(f"KISNB_{name.upper()}") for name in NAMES}
    # An empty variable counts as not set: a shell removes a variable with `KISNB_RECORD= jupyter
    # lab`.
    return {name: _plain(name, value) for name, value in given.items() if value}


def _plain(name: str, value: str) -> str:
    """Return a setting as the file stores it: a number without its unit and thousands separators.

    A text such as ``"2,5"`` keeps its comma, because 25 was not meant. Later it is refused, since
    it is not a number.
    """
    unit = MEANINGS[name].unit
    if not unit:
        return value
    number = re.sub(rf"\s*{_UNITS[unit][1]}$", "", value.strip(), flags=re.IGNORECASE)
    plain = values.ungrouped(number.removeprefix("₩") if unit == "won" else number)
    if name == HUNDREDTHS and number != value.strip():
        # Without a unit the number is already in the file's unit: hundredths of a percent.
        with suppress(InvalidOperation, ValueError, OverflowError):
            hundredths = Decimal(plain) * 100
            return str(int(hundredths)) if hundredths == int(hundredths) else value
    return plain


def _filed() -> dict[str, object]:
    """Read the file, and return its settings; empty when there is no file. Raises ConfigError."""
    # The file is read again with each call. A desk reads it once, when it starts, so no setting
    # changes under a running desk.
    path = config_file()
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise ConfigError(f"{path} cannot be read: {e}", "correct it, or remove it") from e


def _checked(settings: dict[str, object]) -> Config:
    """Return the settings as a configuration. Raises ConfigError with the setting and its range."""
    try:
        config = msgspec.convert(settings, Config, strict=False)
    except msgspec.ValidationError as e:
        # msgspec names the field only inside its text: "Expected `int` >= 1 - at
        # `$.max_order_value`".
        name = str(e).partition(" - at `$.")[2].rstrip("`")
        if name in NAMES:
            raise ConfigError(f"{name} cannot be {settings[name]!r}", f"give {takes(name)}") from e
        raise ConfigError(f"the configuration is wrong: {e}", f"correct {config_file()}") from e
    # Both raise for a text that cannot be read: a wrong setting is refused when it is set.
    _ = config.speed, config.windows
    return config


def _window(text: str) -> tuple[time, time]:
    """Return start and end of a blackout window such as ``15:19-15:21``. Raises ConfigError."""
    start, dash, end = text.partition("-")
    try:
        window = parse_time(start.strip()), parse_time(end.strip())
    except ValueError as e:
        raise ConfigError(
            f"{text!r} is not a blackout window: {e}", "write it as 08:59:50-09:00:10"
        ) from None
    seconds = [seconds_since_midnight(at) for at in window]
    # With the remainder a window may include midnight. A window with swapped ends would be nearly a
    # day long and stop all trading, so LONGEST_WINDOW bounds it.
    if not dash or not 0 < (seconds[1] - seconds[0]) % 86_400 <= LONGEST_WINDOW:
        raise ConfigError(
            f"the blackout window {text!r} ends before it begins", "write it as 08:59:50-09:00:10"
        )
    return window
