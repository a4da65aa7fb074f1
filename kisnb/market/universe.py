"""The issues of a day, looked up by code and searched by name."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path

import msgspec

from kisnb.errors import UnknownInstrument
from kisnb.market.instruments import Instrument, is_code, is_preferred, multiple_of
from kisnb.market.master_files import FOLDER, dated, folder_of, read_issues
from kisnb.market.price_files import has_prices, read_instruments
from kisnb.paths import state_dir
from kisnb.terms import Board, Kind
from kisnb.values import narrow, near_names, numbered_code, shown, tidy

_MASTER_ALONE = ("nxt", "preferred", "listed_on", "offer", "liquidation")
"""Facts of an issue that price files do not have."""
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_FIRST_SYLLABLE, _LAST_SYLLABLE, _PER_INITIAL = ord("가"), ord("힣"), 588


class Universe:
    """The issues of a day.

    They are looked up by code, and searched by code, name or initial consonants (초성).
    """

    def __init__(
        self,
        items: Iterable[Instrument],
        *,
        source: str = "",
        day: date | None = None,
        is_complete: bool = True,
    ) -> None:
        self._by_code = {item.code: item for item in items}
        self.source = source
        """Source of the list, for people."""
        self.day = day
        """The day of the list; None when the list has no day."""
        self.is_complete = is_complete
        """True: the list is the host's own.

        Its prices are in force, and a code that it lacks does not exist. False at paper and live:
        KIS states the prices of a stock, and may know more.
        """

    @staticmethod
    @lru_cache(maxsize=1)
    def packaged() -> Universe:
        """Return some well-known issues that come with kisnb.

        Their base prices and volumes are round and not real.
        """
        text = files("kisnb.market").joinpath("universe.csv").read_text(encoding="utf-8")
        rows = (_packaged_row(row) for row in csv.DictReader(text.splitlines()))
        return Universe(rows, source="the list that comes with kisnb")

    @staticmethod
    def load(data: Path | None, day: date) -> Universe:
        """Return the issues of ``day``; the packaged ones when there are no files.

        KIS's master files are read from the folder ``master`` in ``data``, else in the state
        folder. A fact of an issue in the listing or in the price files of ``data`` replaces the
        fact of the master files, so base prices are those of ``day``. Raises ConfigError when a
        file is missing or broken.
        """
        roots = [root / FOLDER for root in (data, state_dir()) if root is not None]
        folder = folder_of(day, roots)
        listed = read_universe(folder) if folder is not None else None
        if data is None:
            return listed or Universe.packaged()
        if listed is None:
            return Universe(read_instruments(data, day), source=f"the price files in {data}")
        # The folder may hold master files alone.
        return listed.with_prices(read_instruments(data, day)) if has_prices(data) else listed

    @staticmethod
    def for_kis(data: Path | None, day: date) -> Universe:
        """Return the issues that a paper or live desk knows on ``day`` before it has asked KIS.

        Names, boards and kinds are those of ``load``. Base prices, volumes and halts are left out,
        because a file has them of another day, and in the packaged list they are made up. Raises
        ConfigError as ``load`` does.
        """
        listed = Universe.load(data, day)
        items = (
            msgspec.structs.replace(item, base=0, volume=0, halted=False, liquidation=False)
            for item in listed
        )
        return Universe(items, source=listed.source, day=listed.day, is_complete=False)

    def add(self, item: Instrument) -> None:
        """Add an issue that KIS has named, or replace it."""
        self._by_code[item.code] = item
        self.__dict__.pop("_spelt", None)

    def spell(self, code: object) -> str:
        """Return a code as KIS writes it.

        If the list is not complete, each text in the form of a code passes, and KIS decides. Else
        raises UnknownInstrument for an unknown code, with the codes that may have been meant.
        """
        plain = _plain_code(code)
        if not self.is_complete and is_code(plain):
            return plain
        return self.get(plain).code

    def with_prices(self, priced: Iterable[Instrument]) -> Universe:
        """Return these issues and those of ``priced`` as one universe.

        An issue in both has the facts of ``priced``. Facts that only master files have stay as they
        are: Nextrade listing, preferred share, listing date, offer price and liquidation.
        """
        merged = dict(self._by_code)
        for item in priced:
            known = merged.get(item.code, item)
            merged[item.code] = msgspec.structs.replace(
                item, **{name: getattr(known, name) for name in _MASTER_ALONE}
            )
        return Universe(merged.values(), source=self.source, day=self.day)

    def get(self, code: str) -> Instrument:
        """Return the issue with this code.

        Raises UnknownInstrument, with the codes that may have been meant.
        """
        # Nearly every code is written as KIS writes it; the slower reading comes second.
        item = self._by_code.get(code) or self._by_code.get(_plain_code(code))
        if item is None:
            typed = tidy(code) if isinstance(code, str) else _plain_code(code)
            raise UnknownInstrument(f"{shown(typed)} is not a listed code", self._cure(typed))
        return item

    def name(self, code: str) -> str:
        """Return the name of an issue; its code when it is not known, as after a new listing."""
        item = self._by_code.get(code)
        return code if item is None else item.name

    def on_nxt(self, code: str) -> bool:
        """Return True when Nextrade lists the issue; False when it does not, or it is not known."""
        return code in self._by_code and self._by_code[code].nxt is True

    @property
    def lacks_nxt(self) -> bool:
        """True when there are issues of which it is not known whether Nextrade lists them."""
        return any(item.nxt is None for item in self)

    def search(self, text: str) -> list[Instrument]:
        """Return the issues that ``text`` may mean, the closest first.

        The code begins with ``text``, or the name or its initial consonants contain it.
        """
        wanted = _folded(text)
        if not wanted:
            return []
        initials = all(c in _INITIALS for c in wanted)
        ranked = []
        for item, code, name, consonants in self._spelt:
            spelt = consonants if initials else name
            at = 0 if code.startswith(wanted) else spelt.find(wanted)
            if at >= 0:
                # The whole name comes first, then the earliest match, then the shortest name.
                ranked.append((spelt != wanted, at, len(spelt), item.code, item))
        # The issue itself is left out of the order: issues cannot be compared.
        return [entry[-1] for entry in sorted(ranked, key=lambda entry: entry[:-1])]

    @cached_property
    def _spelt(self) -> list[tuple[Instrument, str, str, str]]:
        """All issues, each with its code, name and initial consonants in the form for searching."""
        folded = ((item, _folded(item.name)) for item in self)
        return [(item, item.code.casefold(), name, initials_of(name)) for item, name in folded]

    def common_of(self, code: str) -> Instrument | None:
        """Return the common share of a preferred share; None for other issues.

        Raises UnknownInstrument.
        """
        item = self.get(code)
        return (
            next((other for other in self._family(item) if not other.preferred), None)
            if item.preferred
            else None
        )

    def preferred_of(self, code: str) -> tuple[Instrument, ...]:
        """Return the preferred shares of a common share; empty for other issues.

        Raises UnknownInstrument.
        """
        item = self.get(code)
        return (
            ()
            if item.preferred
            else tuple(other for other in self._family(item) if other.preferred)
        )

    def _family(self, item: Instrument) -> list[Instrument]:
        # Codes of the shares of one company differ only in the last character.
        others = (o for o in self if o.code[:5] == item.code[:5] and o.code != item.code)
        return sorted(
            (o for o in others if o.kind is Kind.STOCK is item.kind), key=lambda o: o.code
        )

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_code.values())

    def __len__(self) -> int:
        return len(self._by_code)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def __repr__(self) -> str:
        return f"<Universe of {len(self):,} issues>"

    def _cure(self, wrong: str) -> str:
        near = self.search(wrong)[:3]
        if not near:
            names = {item.name: item for item in self}
            close = near_names(wrong, names, 2, 0.5)
            # People mistype names more freely than codes, so names need fewer letters to agree.
            near = [names[name] for name in close] or [
                self._by_code[code] for code in near_names(wrong.upper(), self._by_code, 2, 0.7)
            ]
        if not near:
            return "look it up with %kis search NAME"
        return "did you mean " + " or ".join(f"{item.code} {item.name}" for item in near)


def initials_of(name: str) -> str:
    """Return the initial consonants of a Korean name: ``"ㅅㅅㅈㅈ"`` for ``"삼성전자"``.

    Other letters stay as they are.
    """
    # Unicode has the syllables in the order of their initials, 588 syllables each.
    return "".join(
        _INITIALS[(ord(c) - _FIRST_SYLLABLE) // _PER_INITIAL]
        if _FIRST_SYLLABLE <= ord(c) <= _LAST_SYLLABLE
        else c
        for c in name
    )


def _folded(text: str) -> str:
    return "".join(narrow(text).casefold().split())


def _plain_code(code: object) -> str:
    """Return a code as KIS writes it.

    Pasted text has ``"００５９３０"``, other programs have ``"A005930"``, people type ``"0004v0"``.
    A DataFrame may have the number 5930.
    """
    if not isinstance(code, str):
        numbered = numbered_code(code)
        if numbered is not None:
            return numbered
        raise UnknownInstrument(
            f"{shown(code)} is not a valid code", "write it in quotation marks, such as '005930'"
        )
    plain = narrow(code).strip().upper()
    # KIS's own codes of seven characters begin with Q (ETN). The A in front is other programs'.
    return plain[1:] if len(plain) == 7 and plain[0] == "A" else plain


def _packaged_row(row: dict[str, str]) -> Instrument:
    kind = Kind(row["kind"])
    return Instrument(
        code=row["code"],
        name=row["name"],
        board=Board(row["board"]),
        kind=kind,
        shares=int(row["shares"]),
        base=int(row["base"]),
        volume=int(row["volume"]),
        nxt=row["nxt"] == "1",
        preferred=is_preferred(row["code"], kind),
        multiple=multiple_of(kind, row["name"]),
    )


def read_universe(folder: Path) -> Universe:
    """Read the four master files in ``folder``, and return their issues.

    Raises ConfigError as ``read_issues`` does.
    """
    day = dated(folder)
    of_day = f"of {day}" if day is not None else f"in {folder}, whose day is not known"
    issues = (issue for board in Board for issue in read_issues(folder, board))
    return Universe(issues, source=f"KIS's master files {of_day}", day=day)
