"""The symbol master files of the simulated market, as KIS offers them for download.

They need no key. KIS serves them from another host; the simulator serves them at its REST address.
"""

from __future__ import annotations

import io
import zipfile

from kisnb.kis.wire_text import yyyymmdd
from kisnb.market.instruments import Instrument
from kisnb.market.master_files import COLUMNS, FILES, NXT_FILES
from kisnb.market.universe import Universe
from kisnb.terms import Board, Kind

PATH = "/common/master/"
"""Start of the path of each archive."""
_NAME_BYTES = 40
_GROUPS = {Kind.STOCK: "ST", Kind.ETF: "EF", Kind.ETN: "EN"}
"""Securities group (증권그룹구분코드) by kind."""


def master_archive(universe: Universe, path: str) -> bytes | None:
    """Return the archive at ``path``; None when KIS has no such file."""
    wanted = path.removeprefix(PATH).removesuffix(".zip")
    for files, is_nxt in ((FILES, False), (NXT_FILES, True)):
        for board, name in files.items():
            if name == wanted and path.endswith(".zip"):
                listed = (i for i in universe if i.board is board and (i.nxt or not is_nxt))
                return _zipped(name, b"".join(_line(item, board) for item in listed))
    return None


def _zipped(name: str, body: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, body)
    return packed.getvalue()


def _line(item: Instrument, board: Board) -> bytes:
    """Return a record. Numbers are padded with zeros, texts with blanks, as KIS does."""
    fields = {
        "scrt_grp_cls_code": _GROUPS[item.kind],
        "stck_sdpr": str(item.base),
        "trht_yn": "Y" if item.halted else "N",
        "sltr_yn": "Y" if item.liquidation else "N",
        "prdy_vol": str(item.volume),
        # The file gives listed shares in thousands.
        "lstn_stcn": str(item.shares // 1_000),
        "stck_lstn_date": yyyymmdd(item.listed_on) if item.listed_on else "",
        "po_prc": str(item.offer),
        "prst_cls_code": "1" if item.preferred else "0",
    }
    block = "".join(
        text.zfill(width) if text.isdigit() else text.ljust(width)
        for column in COLUMNS[board]
        for text, width in ((fields.get(column.name, ""), column.end - column.start),)
    )
    head = f"{item.code:<9}{'':<12}"
    name = item.name.encode("cp949", "replace").ljust(_NAME_BYTES)
    return head.encode("cp949") + name + f"{block}\n".encode()
