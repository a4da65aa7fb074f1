"""One typed configuration: defaults, then the file ``config.json`` in the state folder, then the environment.

Secrets never stand in it: it names the file that holds them.
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
from kisnb.clock import parse_time
from kisnb.errors import ConfigError
from kisnb.paths import state_dir, write_private

Won: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
Source: TypeAlias = Literal["default", "file", "environment"]


LONGEST_WINDOW = 12 * 3600
"""Seconds of the longest blackout window; one that would be longer has its ends mixed up."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be set, with its defaults; the environment variable is ``KISNB_`` and the name in capitals.

    A desk reads it when it starts.
    """

    sim_speed: str = "1"
    """Speed of the simulator's clock: a number, or ``step`` for lockstep."""
    max_order_value: Won = 50_000_000
    """The most one order may be worth, won; a market order counts at its upper limit price."""
    max_stock_value: Won = 300_000_000
    """The most that may be held and on order to buy of one stock, won."""
    max_agent_value: Won = 300_000_000
    """The most that one agent may hold and have on order to buy, won."""
    max_account_value: Won = 1_000_000_000
    """The most that may be held and on order to buy in the account, won."""
    max_cash_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 30
    """The part of the cash that one buy may take, percent: what is above is a slip of the finger."""
    max_armed_budget: Won = 100_000_000
    """The most that one arming of a live desk may let buys spend, won."""
    max_quote_age: Annotated[float, msgspec.Meta(gt=0, le=60)] = 2.0
    """Seconds after which a price is too old to buy on."""
    max_day_loss: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 300
    """Loss of the day, in hundredths of a percent, above which the desk goes to reducing."""
    blackout: str = ""
    """Times of day (KST) in which no order is sent: ``08:59:50-09:00:10,15:19-15:21``, ``23:30-00:10``."""
    assume: str = ""
    """Uncertain facts of the market to be taken the other way, by commas: ``nxt_after_call,sor_krx_only``."""
    order_timeout: Annotated[float, msgspec.Meta(gt=0, le=300)] = 10.0
    """Seconds of wall time after which an order without an answer counts as unknown."""
    calls_per_second: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    """REST calls a second and appkey; 0 takes 15 at live and 1 at paper. KIS allows new customers 3 for three days."""
    credentials: str = ""
    """Path of an official-style ``kis_devlp.yaml`` with the keys for paper and live."""
    record: str = ""
    """File to which a desk writes every request, reply and frame of its own, masked, a JSON line each."""

    @property
    def speed(self) -> float:
        """The simulator's speed as a number; 0 is lockstep. Raises ConfigError."""
        if self.sim_speed == "step":
            return 0.0
        try:
            speed = float(self.sim_speed)
        except ValueError:
            speed = -1.0
        if not 0 < speed <= 100_000:
            raise ConfigError(
                f"sim_speed={self.sim_speed!r} is no speed", "give a number up to 100,000, or step"
            )
        return speed

    @property
    def windows(self) -> tuple[tuple[time, time], ...]:
        """The blackout windows, from (inclusive) to (exclusive), KST. Raises ConfigError."""
        return tuple(_window(text.strip()) for text in self.blackout.split(",") if text.strip())

    @property
    def hash(self) -> str:
        """The same settings give the same twelve hexadecimal digits; paths of files do not count."""
        settings = msgspec.structs.replace(self, credentials="", record="")
        return hashlib.sha256(msgspec.json.encode(settings)).hexdigest()[:12]


PATHS = ("credentials", "record")
"""The settings that name a file."""
NAMES = tuple(field.name for field in msgspec.structs.fields(Config))
HUNDREDTHS = "max_day_loss"
"""The setting that is kept in hundredths of a percent."""
RESTART = "kisnb desk restart, then %kis open; a simulated day goes on, agents are started again"
"""How a desk comes to read its settings again."""


class Meaning(NamedTuple):
    """What a setting is, for people."""

    unit: str
    """``won``, ``%``, ``s``, ``calls/s``; empty for a text."""
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
    HUNDREDTHS: Meaning("%", "loss of the day above which the desk takes no new buys", "3%"),
    "blackout": Meaning(
        "", "times of day (KST) in which no order is sent", "08:59:50-09:00:10,15:19-15:21"
    ),
    "assume": Meaning(
        "", "uncertain facts of the market, taken the other way", "nxt_after_call,sor_krx_only"
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
    "record": Meaning(
        "", "file that gets all traffic with KIS, masked, a JSON line each", "wire.jsonl"
    ),
}
_UNITS = {
    "won": ("won", r"(?:won|krw|원)"),
    "%": ("percent", r"(?:%|percent|퍼센트)"),
    "s": ("seconds", r"(?:s|secs?|seconds?|초)"),
    "calls/s": ("calls a second", r"(?:calls?/s|/s|calls? a second)"),
}
"""Unit → its word, and how it may be typed behind a number."""


def shown(name: str, config: Config) -> str:
    """A setting with its unit: ``50,000,000 won``, ``3.00 %``, ``2 s``; a text as it is."""
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
    """How a limit is raised, as the end of a cure."""
    return f"raise {name}: %kis config {name} NEW, then kisnb desk restart and %kis open"


def config_file() -> Path:
    """Where settings are kept."""
    return state_dir() / "config.json"


def load_config() -> Config:
    """The configuration as defaults, file and environment give it; raises ConfigError for a wrong value."""
    return _checked({**_filed(), **_given()})


def sources() -> dict[str, Source]:
    """Where each setting comes from, by name. Raises ConfigError."""
    filed, given = _filed(), _given()
    return {n: "environment" if n in given else "file" if n in filed else "default" for n in NAMES}


def set_config(name: str, value: str | None) -> Config:
    """Keep ``value`` in the file, None for the default; gives the configuration that counts then.

    Raises ConfigError for a name or a value that makes no sense, and for a setting that the environment fixes: then
    nothing is written.
    """
    if name not in NAMES:
        raise ConfigError(f"there is no setting {name!r}", f"there are {', '.join(NAMES)}")
    if name in _given():
        raise ConfigError(
            f"{name} is set by the environment", f"unset KISNB_{name.upper()}, or change it there"
        )
    filed = _filed()
    filed.pop(name, None)
    if value is not None:
        filed[name] = full_path(value) if name in PATHS and value else _plain(name, value)
    config = _checked({**filed, **_given()})
    kept = msgspec.to_builtins(_checked(filed))
    write_private(
        config_file(),
        msgspec.json.format(msgspec.json.encode({n: kept[n] for n in filed})).decode(),
    )
    return config


def full_path(path: str) -> str:
    """``path``, from the working folder of this process when it is relative; ``~`` stays.

    A desk has a working folder of its own.
    """
    return path if path.startswith("~") else str(Path(path).absolute())


def takes(name: str) -> str:
    """The values of a setting, for people: ``a number of seconds above 0 to 60, such as 2 s``."""
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
    given = {name: os.environ.get(f"KISNB_{name.upper()}") for name in NAMES}
    return {name: _plain(name, value) for name, value in given.items() if value}


def _plain(name: str, value: str) -> str:
    """What was typed for a setting; a number without its unit and its thousands separators.

    ``"2,5"`` keeps its comma and is refused as no number: 25 was not meant.
    """
    unit = MEANINGS[name].unit
    if not unit:
        return value
    number = re.sub(rf"\s*{_UNITS[unit][1]}$", "", value.strip(), flags=re.IGNORECASE)
    plain = values.ungrouped(number.removeprefix("₩") if unit == "won" else number)
    if name == HUNDREDTHS and number != value.strip():
        # Without a unit it is what the file holds: hundredths of a percent.
        with suppress(InvalidOperation, ValueError, OverflowError):
            hundredths = Decimal(plain) * 100
            return str(int(hundredths)) if hundredths == int(hundredths) else value
    return plain


def _filed() -> dict[str, object]:
    path = config_file()
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise ConfigError(f"{path} cannot be read: {e}", "correct it, or remove it") from e


def _checked(settings: dict[str, object]) -> Config:
    try:
        config = msgspec.convert(settings, Config, strict=False)
    except msgspec.ValidationError as e:
        name = str(e).partition(" - at `$.")[2].rstrip("`")
        if name in NAMES:
            raise ConfigError(f"{name} cannot be {settings[name]!r}", f"give {takes(name)}") from e
        raise ConfigError(f"the configuration is wrong: {e}", f"correct {config_file()}") from e
    _ = config.speed, config.windows
    return config


def _window(text: str) -> tuple[time, time]:
    start, dash, end = text.partition("-")
    try:
        window = parse_time(start.strip()), parse_time(end.strip())
    except ValueError as e:
        raise ConfigError(
            f"{text!r} is no blackout window: {e}", "write it as 08:59:50-09:00:10"
        ) from None
    seconds = [at.hour * 3600 + at.minute * 60 + at.second for at in window]
    if not dash or not 0 < (seconds[1] - seconds[0]) % 86_400 <= LONGEST_WINDOW:
        raise ConfigError(
            f"the blackout window {text!r} ends before it begins", "write it as 08:59:50-09:00:10"
        )
    return window
