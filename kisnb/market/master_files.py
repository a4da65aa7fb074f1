"""KIS's symbol master files (종목 마스터, ``.mst``): the issues of KOSPI, KOSDAQ and Nextrade.

The encoding is cp949. Each line is a record: short code (9 characters), ISIN (12), Korean name, and
a block of fixed width at the right end. A Korean syllable is two bytes and one character, so the
block is cut from the right of the decoded line. The ``nxt_*`` files have the same layout and list
the issues that Nextrade trades.
Source of the layout: KIS's samples (stocks_info).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import msgspec

from kisnb.errors import ConfigError
from kisnb.market.instruments import Instrument, multiple_of
from kisnb.terms import Board, Kind

FOLDER = "master"
"""Name of the folder with master files, or with a folder of them for each day (``2026-11-20``)."""
# The archives at the setting ``master_url`` hold files of these names.
FILES = {Board.KOSPI: "kospi_code.mst", Board.KOSDAQ: "kosdaq_code.mst"}
NXT_FILES = {Board.KOSPI: "nxt_kospi_code.mst", Board.KOSDAQ: "nxt_kosdaq_code.mst"}
_NUMBERS = ("stck_sdpr", "prdy_vol", "lstn_stcn")
"""Fields that are whole numbers: base price (won), previous volume, listed shares (thousands)."""
_CURE = "download the master file again"
_CODE, _HEAD = 9, 21

_FIRST = (
    "scrt_grp_cls_code:2 avls_scal_cls_code:1 bstp_larg_div_code:4 bstp_medm_div_code:4 "
    "bstp_smal_div_code:4"
)
_KOSPI_FLAGS = (
    "mnin_cls_code_yn low_current_yn sprn_strr_nmix_issu_yn kospi200_apnt_cls_code "
    "kospi100_issu_yn kospi50_issu_yn krx_issu_yn etp_prod_cls_code elw_pblc_yn krx100_issu_yn "
    "krx_car_yn krx_smcn_yn krx_bio_yn krx_bank_yn etpr_undt_objt_co_yn krx_enrg_chms_yn "
    "krx_stel_yn short_over_cls_code krx_medi_cmnc_yn krx_cnst_yn dead_yn krx_scrt_yn krx_ship_yn "
    "krx_insu_yn krx_trnp_yn sri_nmix_yn"
)
_KOSDAQ_FLAGS = (
    "vntr_issu_yn low_current_yn krx_issu_yn etp_prod_cls_code krx100_issu_yn krx_car_yn "
    "krx_smcn_yn krx_bio_yn krx_bank_yn etpr_undt_objt_co_yn krx_enrg_chms_yn krx_stel_yn "
    "short_over_cls_code krx_medi_cmnc_yn krx_cnst_yn invt_alrm_yn krx_scrt_yn krx_ship_yn "
    "krx_insu_yn krx_trnp_yn kosdaq150_nmix_yn"
)
_MIDDLE = (
    "stck_sdpr:9 frml_mrkt_deal_qty_unit:5 ovtm_mrkt_deal_qty_unit:5 trht_yn:1 sltr_yn:1 "
    "mang_issu_yn:1 mrkt_alrm_cls_code:2 mrkt_alrm_risk_adnt_yn:1 insn_pbnt_yn:1 byps_lstn_yn:1 "
    "flng_cls_code:2 fcam_mod_cls_code:2 icic_cls_code:2 marg_rate:3 crdt_able:1 crdt_days:3 "
    "prdy_vol:12 stck_fcam:12 stck_lstn_date:8 lstn_stcn:15 cpfn:21 stac_month:2 po_prc:7 "
    "prst_cls_code:1 ssts_hot_yn:1 stange_runup_yn:1 krx300_issu_yn:1"
)
_LAST = (
    "sale_account:9 bsop_prfi:9 op_prfi:9 thtr_ntin:5 roe:9 base_date:8 prdy_avls_scal:9 "
    "grp_code:3 co_crdt_limt_over_yn:1 secu_lend_able_yn:1 stln_able_yn:1"
)

KINDS = {
    "ST": Kind.STOCK, "MF": Kind.STOCK, "RT": Kind.STOCK, "SC": Kind.STOCK, "IF": Kind.STOCK,
    "DR": Kind.STOCK, "FS": Kind.STOCK, "EF": Kind.ETF, "FE": Kind.ETF, "EN": Kind.ETN,
}  # fmt: skip
"""Kind by securities group (증권그룹구분코드).

ELW, warrants, rights and beneficiary certificates are left out: kisnb does not know their rules.
"""


class MasterColumn(NamedTuple):
    """A field of the right-hand block: characters ``start`` to ``end``, ``end`` exclusive."""

    name: str
    start: int
    end: int


def _columns(*parts: str) -> tuple[MasterColumn, ...]:
    fields = [
        (name, int(width or 1))
        for part in parts
        for name, _, width in (f.partition(":") for f in part.split())
    ]
    ends = list(accumulate(width for _, width in fields))
    return tuple(
        MasterColumn(name, end - width, end)
        for (name, width), end in zip(fields, ends, strict=True)
    )


COLUMNS: dict[Board, tuple[MasterColumn, ...]] = {
    Board.KOSPI: _columns(_FIRST, _KOSPI_FLAGS, _MIDDLE, "kospi_issu_yn:1", _LAST),
    Board.KOSDAQ: _columns(_FIRST, _KOSDAQ_FLAGS, _MIDDLE, _LAST),
}
WIDTH = {board: columns[-1].end for board, columns in COLUMNS.items()}
"""Characters of the right-hand block: 227 for KOSPI, 221 for KOSDAQ."""


class MasterRecord(msgspec.Struct, frozen=True):
    """One line of a master file."""

    code: str
    isin: str
    name: str
    board: Board
    fields: dict[str, str]
    """Texts of the right-hand block by KIS's field name, without blanks at their ends."""

    @property
    def kind(self) -> Kind | None:
        """Stock, ETF or ETN; None for a kind that kisnb does not trade."""
        return KINDS.get(self.fields.get("scrt_grp_cls_code", ""))

    def instrument(self, nxt: bool | None) -> Instrument:
        """Return the issue as the order rules need it. ``nxt``: Nextrade lists it, None: unknown.

        The file gives listed shares in thousands, so the number is rounded. An issue without a
        base price counts as halted, because its limit prices are not known.
        """
        base, kind = self._whole("stck_sdpr"), self.kind or Kind.STOCK
        return Instrument(
            self.code,
            self.name,
            self.board,
            kind,
            self._whole("lstn_stcn") * 1_000,
            base,
            self._whole("prdy_vol"),
            self.fields.get("trht_yn") == "Y" or not base,
            nxt,
            self.fields.get("prst_cls_code", "0") not in ("", "0"),
            multiple_of(kind, self.name),
            self._date("stck_lstn_date"),
            self._offer,
            self.fields.get("sltr_yn") == "Y",
        )

    def _whole(self, name: str) -> int:
        # A new listing, or an ETF, may have a blank instead of a number.
        return int(self.fields.get(name) or 0)

    @property
    def _offer(self) -> int:
        # This field is needed on the listing day alone, so another text does not make the file
        # unreadable.
        text = self.fields.get("po_prc", "")
        return int(text) if text.isdecimal() else 0

    def _date(self, name: str) -> date | None:
        try:
            return date.fromisoformat(self.fields.get(name, ""))
        except ValueError:
            # Blank, or zeros: KIS does not state it.
            return None


def read_master(data: bytes, board: Board, name: str = "") -> list[MasterRecord]:
    """Return the records in the bytes of a master file. Errors name the file ``name``.

    Raises ConfigError with the number of the line for a wrong encoding, a wrong width, a field that
    should be a number and is not, and a code that is listed twice.
    """
    records: dict[str, MasterRecord] = {}
    for number, line in enumerate(data.split(b"\n"), start=1):
        where = f"{name or FILES[board]} line {number}"
        text = _decoded(line.removesuffix(b"\r"), where)
        if text.strip():
            record = _record(text, board, where)
            if record.code in records:
                raise ConfigError(f"{where}: {record.code} is listed twice", _CURE)
            records[record.code] = record
    if not records:
        raise ConfigError(f"{name or FILES[board]} is empty", _CURE)
    return list(records.values())


def folder_of(day: date, roots: Iterable[Path]) -> Path | None:
    """Return the folder with the master files that are valid on ``day``; None when there is none.

    The first of ``roots`` with master files counts. In it, the folder is the newest dated copy that
    is not later than ``day``, else the root itself. A later copy is not used, because it lacks the
    issues that were delisted after ``day``.
    """
    for root in roots:
        # Dates written as 2026-11-20 compare as texts.
        dated = [copy for copy in _copies(root) if copy.name <= day.isoformat()]
        folder = max(dated, key=lambda copy: copy.name, default=root)
        if _holds(folder, FILES[Board.KOSPI]):
            return folder
    return None


def dated(folder: Path) -> date | None:
    """Return the day in the name of a folder of master files; None when the name is no date."""
    try:
        return date.fromisoformat(folder.name)
    except ValueError:
        return None


def _copies(root: Path) -> Iterator[Path]:
    return (entry for entry in root.glob("????-??-??") if entry.is_dir())


def _holds(folder: Path, name: str) -> bool:
    return (folder / name).is_file() or (folder / f"{name}.zip").is_file()


def read_issues(folder: Path, board: Board) -> Iterator[Instrument]:
    """Read the master files in ``folder``, and yield the issues of a board.

    Each file may be there as ``.mst`` or as ``.mst.zip``. Without both Nextrade files it is not
    known which issues Nextrade lists. An issue that only the Nextrade file lists is left out: KIS
    does not make the files of a morning in the same minute. Raises ConfigError for a missing or
    broken file.
    """
    # No field of KRX's files says that Nextrade trades an issue. Being in its file does. KIS's
    # samples do not download Nextrade's files, which is why many folders have neither.
    on_nxt = None
    if any(_holds(folder, name) for name in NXT_FILES.values()):
        on_nxt = {record.code for record in _read(folder, NXT_FILES[board], board)}
    for record in _read(folder, FILES[board], board):
        if record.kind is not None:
            yield record.instrument(None if on_nxt is None else record.code in on_nxt)


def count_rows(folder: Path, name: str, board: Board) -> int:
    """Read one master file and return its number of records. Raises ConfigError if it is broken."""
    return len(_read(folder, name, board))


def _read(folder: Path, name: str, board: Board) -> list[MasterRecord]:
    import zipfile
    import zlib

    path, packed = folder / name, folder / f"{name}.zip"
    try:
        if path.is_file():
            return read_master(path.read_bytes(), board, name)
        with zipfile.ZipFile(packed) as archive:
            data = archive.read(name)
        # A simulated market may have no issue on a board. A file of KIS without records is refused
        # when it is downloaded.
        return read_master(data, board, packed.name) if data else []
    # KeyError: the archive has a file of another name. RuntimeError: it is encrypted. EOFError and
    # zlib.error: it is incomplete or damaged.
    except (OSError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as e:
        raise ConfigError(f"{path} cannot be read: {e}", f"put {name} or {name}.zip there") from e


def _decoded(line: bytes, where: str) -> str:
    try:
        return line.decode("cp949")
    except UnicodeDecodeError as e:
        raise ConfigError(f"{where}: byte {e.start + 1} is not cp949", _CURE) from e


def _record(text: str, board: Board, where: str) -> MasterRecord:
    # Between head and block at least one letter of a name is needed.
    if len(text) <= _HEAD + WIDTH[board]:
        least = _HEAD + WIDTH[board] + 1
        raise ConfigError(f"{where} has {len(text)} characters, at least {least} are needed", _CURE)
    # Cut from the right: names have different widths.
    block = text[-WIDTH[board] :]
    code, isin, name = (
        text[:_CODE].strip(),
        text[_CODE:_HEAD].strip(),
        text[_HEAD : -WIDTH[board]].strip(),
    )
    group = block[:2]
    # A file of the other board has another width. The securities group then shows wrong letters.
    if not block.isascii() or not (group.isalpha() and group.isupper()):
        raise ConfigError(
            f"{where}: no {board} record ends like this; the right-hand block is cut wrongly", _CURE
        )
    if not (code.isascii() and code.isalnum()) or not name:
        raise ConfigError(f"{where}: {code!r} is not a valid code, or it has no name", _CURE)
    fields = {column.name: block[column.start : column.end].strip() for column in COLUMNS[board]}
    for wrong in (column for column in _NUMBERS if fields[column] and not fields[column].isdigit()):
        raise ConfigError(
            f"{where}: {wrong} of {code} is {fields[wrong]!r}, which is not a number", _CURE
        )
    return MasterRecord(code, isin, name, board, fields)
