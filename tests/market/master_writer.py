"""Writes symbol master files in KIS's layout, so that tests can read them."""

from collections.abc import Iterable

from kisnb.market.master_files import COLUMNS, MasterRecord
from kisnb.terms import Board


def write_master(records: Iterable[MasterRecord], board: Board) -> bytes:
    """Return the records as a master file: numbers padded with zeros, texts with blanks."""
    return b"".join(_line(record, board) for record in records)


def _line(record: MasterRecord, board: Board) -> bytes:
    block = ""
    for column in COLUMNS[board]:
        text, width = record.fields.get(column.name, ""), column.end - column.start
        block += text.zfill(width) if text.isdigit() else text.ljust(width)
    head = f"{record.code:<9}{record.isin:<12}".encode()
    return head + record.name.encode("cp949").ljust(40) + block.encode() + b"\n"
