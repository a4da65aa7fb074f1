"""M05: the symbol master files of both boards: layout, flags, pairs.

And what a broken file says.
"""

import shutil
import zipfile
from datetime import date, time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kisnb.clock import kst
from kisnb.errors import ConfigError
from kisnb.market.master_files import (
    COLUMNS,
    FILES,
    FOLDER,
    NXT_FILES,
    WIDTH,
    MasterRecord,
    read_master,
)
from kisnb.market.order_rules import legal
from kisnb.market.universe import Universe, read_universe
from kisnb.paths import state_dir
from kisnb.terms import Board, Kind, OrderKind, Venue
from tests.market.master_writer import write_master

KOSPI, KOSDAQ = Board.KOSPI, Board.KOSDAQ
WIDTHS = {
    KOSPI: [2, 1, 4, 4, 4, *[1] * 26, 9, 5, 5, 1, 1, 1, 2, 1, 1, 1, 2, 2, 2, 3, 1, 3, 12, 12, 8,
        15, 21, 2, 7,
            1, 1, 1, 1, 1, 9, 9, 9, 5, 9, 8, 9, 3, 1, 1, 1],
    KOSDAQ: [2, 1, 4, 4, 4, *[1] * 21, 9, 5, 5, 1, 1, 1, 2, 1, 1, 1, 2, 2, 2, 3, 1, 3, 12, 12, 8,
        15, 21, 2, 7,
             1, 1, 1, 1, 9, 9, 9, 5, 9, 8, 9, 3, 1, 1, 1],
}  # fmt: skip


def record(
    code: str, name: str, board: Board = KOSPI, group: str = "ST", **fields: str
) -> MasterRecord:
    known = {
        "scrt_grp_cls_code": group, "stck_sdpr": "71000", "trht_yn": "N", "lstn_stcn": "5919638",
        "prst_cls_code": "0",
    }  # fmt: skip
    return MasterRecord(code, f"KR7{code}", name, board, known | fields)


RECORDS = {
    KOSPI: [
        record("005930", "삼성전자", kospi200_apnt_cls_code="5"),
        record("005935", "삼성전자우", prst_cls_code="1", lstn_stcn="815974"),
        record("00593K", "삼성전자2우B", prst_cls_code="2"),
        record("069500", "KODEX 200", group="EF", etp_prod_cls_code="2", lstn_stcn=""),
        record("Q500001", "신한 레버리지 WTI", group="EN"),
        record("0004V0", "새상장", stck_sdpr=""),
        record("57JD12", "어떤 ELW", group="EW"),
        record("000020", "동화약품", trht_yn="Y"),
    ],
    KOSDAQ: [record("247540", "에코프로비엠", KOSDAQ, kosdaq150_nmix_yn="Y", stck_sdpr="240000")],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for board in Board:
        (tmp_path / FILES[board]).write_bytes(write_master(RECORDS[board], board))
        (tmp_path / NXT_FILES[board]).write_bytes(write_master(RECORDS[board][:2], board))
    return tmp_path


@pytest.mark.parametrize("board", Board)
def test_m05_the_layout_is_that_of_kis(board: Board) -> None:
    assert [c.end - c.start for c in COLUMNS[board]] == WIDTHS[board]
    assert WIDTH[board] == {KOSPI: 227, KOSDAQ: 221}[board]
    assert (
        len({c.name for c in COLUMNS[board]})
        == len(COLUMNS[board])
        == {KOSPI: 70, KOSDAQ: 64}[board]
    )


def test_m05_fields_lie_where_the_layout_says() -> None:
    """Counted by hand from the right end of a line that is not written by kisnb."""
    tail = (
        "N" * 26
        + "000071000"
        + "00001" * 2
        + "NNN00NNN000000040Y090"
        + "0" * 12
        + "000000000100"
        + "19750611"
    )
    tail += (
        "000000005919638"
        + "0" * 21
        + "12"
        + "0" * 7
        + "1NNYY"
        + "0" * 41
        + "20260601"
        + "004250000"
        + "005NYY"
    )
    line = "005930   KR7005930003삼성전자" + " " * 32 + "ST" + "1" + "0027" + "0013" + "0000" + tail
    assert len(line) == 21 + 36 + 227
    (found,) = read_master(line.encode("cp949") + b"\n", KOSPI)
    assert (found.code, found.isin, found.name) == ("005930", "KR7005930003", "삼성전자")
    assert (found.fields["stck_sdpr"], found.fields["lstn_stcn"]) == (
        "000071000",
        "000000005919638",
    )
    assert (found.fields["prst_cls_code"], found.fields["marg_rate"]) == ("1", "040")
    assert (found.fields["stck_lstn_date"], found.fields["base_date"]) == ("19750611", "20260601")
    item = found.instrument(nxt=True)
    assert (item.base, item.shares, item.preferred, item.nxt, item.halted) == (
        71_000,
        5_919_638_000,
        True,
        True,
        False,
    )


def test_m06_a_master_file_states_what_decides_the_limits() -> None:
    rows = [
        record("005930", "삼성전자", stck_lstn_date="19750611"),
        record("0126Z0", "새상장", stck_lstn_date="20261120", po_prc="26000"),
        record("000020", "정리기업", sltr_yn="Y", stck_lstn_date="00000000"),
        record("122630", "KODEX 레버리지", group="EF"),
        record("000030", "옛종목", po_prc="-"),
    ]
    old, new, ending, twofold, odd = (
        found.instrument(nxt=False) for found in read_master(write_master(rows, KOSPI), KOSPI)
    )
    assert (old.listed_on, old.offer, old.liquidation) == (date(1975, 6, 11), 0, False)
    assert (new.listed_on, new.offer) == (date(2026, 11, 20), 26_000)
    assert (ending.listed_on, ending.liquidation) == (None, True)
    assert (old.multiple, twofold.multiple) == (1.0, 2.0)
    assert odd.offer == 0, "a field of the listing day alone does not make a file unreadable"


def test_m05_universe_of_both_boards(folder: Path) -> None:
    universe = read_universe(folder)
    samsung = universe.get("005930")
    assert (samsung.name, samsung.board, samsung.kind, samsung.base) == (
        "삼성전자",
        KOSPI,
        Kind.STOCK,
        71_000,
    )
    assert samsung.shares == 5_919_638_000
    assert universe.get("247540").board is KOSDAQ
    assert (universe.get("069500").kind, universe.get("Q500001").kind) == (Kind.ETF, Kind.ETN)
    assert universe.get("069500").shares == 0
    assert "57JD12" not in universe
    assert {item.code for item in universe if item.nxt} == {"005930", "005935", "247540"}
    assert {item.code for item in universe if item.halted} == {"000020", "0004V0"}


def test_m05_pairs_of_common_and_preferred(folder: Path) -> None:
    universe = read_universe(folder)
    assert [item.code for item in universe.preferred_of("005930")] == ["005935", "00593K"]
    assert universe.common_of("005935") == universe.common_of("00593K") == universe.get("005930")
    assert universe.common_of("005930") is None
    assert universe.preferred_of("005935") == universe.preferred_of("069500") == ()


def test_m05_search_by_name_and_initials(folder: Path) -> None:
    universe = read_universe(folder)
    assert [item.code for item in universe.search("ㅅㅅㅈㅈ")] == ["005930", "005935", "00593K"]
    assert universe.search("에코프로")[0].code == "247540"


def test_m05_zipped_files_are_read(folder: Path) -> None:
    plain = sorted(item.code for item in read_universe(folder))
    for name in (*FILES.values(), *NXT_FILES.values()):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            archive.write(folder / name, name)
        (folder / name).unlink()
    assert sorted(item.code for item in read_universe(folder)) == plain


def test_m05_without_nextrades_files_it_is_not_known_what_nextrade_lists(folder: Path) -> None:
    for name in NXT_FILES.values():
        (folder / name).unlink()
    universe = read_universe(folder)
    samsung = universe.get("005930")
    assert universe.lacks_nxt
    assert (samsung.nxt, universe.on_nxt("005930")) == (None, False)
    now = kst(date(2026, 11, 20), time(8, 10))
    verdict = legal(now, Venue.NXT, OrderKind.LIMIT, samsung)
    assert verdict.why_not == "it is not known whether NXT lists 삼성전자 (005930)"
    assert legal(now, Venue.NXT, OrderKind.LIMIT, msgspec.structs.replace(samsung, nxt=True)).rule


def test_m05_a_missing_file_says_which(folder: Path) -> None:
    (folder / "nxt_kospi_code.mst").unlink()
    with pytest.raises(ConfigError, match=r"nxt_kospi_code\.mst cannot be read"):
        read_universe(folder)


def test_m05_a_board_without_issues_is_read_from_its_archive(folder: Path) -> None:
    for name in ("kosdaq_code.mst", "nxt_kosdaq_code.mst"):
        (folder / name).unlink()
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            archive.writestr(name, b"")
    assert {item.board for item in read_universe(folder)} == {KOSPI}


def test_m05_a_broken_zip_is_an_error_not_a_crash(folder: Path) -> None:
    (folder / "kosdaq_code.mst").unlink()
    (folder / "kosdaq_code.mst.zip").write_bytes(b"PK\x03\x04 and nothing that follows")
    with pytest.raises(ConfigError, match=r"kosdaq_code\.mst cannot be read"):
        read_universe(folder)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda lines: [lines[0], lines[1][:-1], *lines[2:]], "line 2: no KOSPI record"),
        (lambda lines: [lines[0], lines[1] + b"0"], "line 2: no KOSPI record"),
        (lambda lines: [lines[0], lines[1][:100]], "line 2 has"),
        (lambda lines: [lines[0].decode("cp949").encode("utf-8")], "line 1"),
        (lambda lines: [lines[0], b"\xff\xff" + lines[1]], "line 2: byte 1 is not cp949"),
        (lambda lines: [*lines, lines[0]], "line 9: 005930 is listed twice"),
        (lambda lines: [b" " * 9 + lines[0][9:]], "line 1: '' is not a valid code"),
        (lambda lines: [], "is empty"),
    ],
)
def test_m05_a_broken_line_is_named(spoil, why: str) -> None:  # type: ignore[no-untyped-def]
    lines = write_master(RECORDS[KOSPI], KOSPI).splitlines()
    with pytest.raises(ConfigError, match=why) as caught:
        read_master(b"\n".join(spoil(lines)), KOSPI)
    assert caught.value.cure


@pytest.mark.parametrize(("board", "other"), [(KOSPI, KOSDAQ), (KOSDAQ, KOSPI)])
def test_m05_the_file_of_the_other_board_is_refused(board: Board, other: Board) -> None:
    with pytest.raises(ConfigError, match="line 1"):
        read_master(write_master(RECORDS[other], other), board)


def test_m05_a_number_that_is_none_names_field_and_code(folder: Path) -> None:
    (folder / FILES[KOSPI]).write_bytes(
        write_master([record("005930", "삼성전자", stck_sdpr="7x000")], KOSPI)
    )
    with pytest.raises(ConfigError, match="line 1: stck_sdpr of 005930"):
        read_universe(folder)


codes = st.from_regex(r"[0-9A-Z]{6}", fullmatch=True)
names = st.text("가나다라힣ABC 12&", min_size=1, max_size=12).map(str.strip).filter(bool)


rows_of = st.lists(
    st.tuples(codes, names, st.integers(0, 10**9 - 1), st.booleans()), min_size=1, max_size=5
)


@given(rows_of, st.sampled_from(Board))
def test_m05_written_records_are_read_back_the_same(
    rows: list[tuple[str, str, int, bool]], board: Board
) -> None:
    given_rows = {
        code: record(code, name, board, stck_sdpr=str(base), trht_yn="NY"[halted])
        for code, name, base, halted in rows
    }
    data = write_master(given_rows.values(), board)
    found = read_master(data, board)
    assert write_master(found, board) == data
    for one in found:
        item, wanted = one.instrument(nxt=False), given_rows[one.code].instrument(nxt=False)
        assert item == wanted


@given(st.data(), st.sampled_from(Board))
def test_m05_a_spoilt_file_is_read_or_refused_with_a_line_and_a_cure(
    data: st.DataObject, board: Board
) -> None:
    good = write_master(RECORDS[board], board)
    begin = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(begin, min(len(good), begin + 300)))
    spoilt = good[:begin] + data.draw(st.binary(max_size=40)) + good[end:]
    try:
        for one in read_master(spoilt, board):
            one.instrument(nxt=False)
    except ConfigError as e:
        assert e.cure  # noqa: PT017
        assert "line" in e.text or "is empty" in e.text  # noqa: PT017


@given(st.binary(max_size=600), st.sampled_from(Board))
def test_m05_a_master_file_of_noise_is_refused(noise: bytes, board: Board) -> None:
    with pytest.raises(ConfigError):
        read_master(noise, board)


def dated(folder: Path, root: Path, day: str, *names: str) -> None:
    """A dated copy whose KOSPI file lists these alone."""
    copy = root / FOLDER / day
    copy.mkdir(parents=True)
    for file in folder.iterdir():
        if file.is_file():
            shutil.copy(file, copy)
    records = [r for r in RECORDS[KOSPI] if r.name in names]
    (copy / FILES[KOSPI]).write_bytes(write_master(records, KOSPI))


def test_m05_the_newest_copy_of_the_day_or_before_is_read_never_a_later_one(
    folder: Path, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    dated(folder, root, "2026-11-18", "삼성전자", "동화약품")
    dated(folder, root, "2026-11-20", "삼성전자")
    assert "000020" in Universe.load(root, date(2026, 11, 19))
    assert "000020" not in Universe.load(root, date(2026, 11, 23))
    assert Universe.load(None, date(2026, 11, 19)) is Universe.packaged()


def test_m05_the_state_folder_is_looked_in_too_and_a_folder_without_dates_holds_for_every_day(
    folder: Path,
) -> None:
    shutil.copytree(folder, state_dir() / FOLDER, ignore=shutil.ignore_patterns("state"))
    universe = Universe.load(None, date(2026, 11, 19))
    assert universe.get("005930").nxt
    assert not universe.get("000020").nxt
    assert universe.search("ㅅㅅㅈㅈ")[0].code == "005930"


def test_m05_a_broken_master_file_is_told_and_not_replaced_by_the_packaged_universe(
    folder: Path,
) -> None:
    shutil.copytree(folder, state_dir() / FOLDER, ignore=shutil.ignore_patterns("state"))
    (state_dir() / FOLDER / NXT_FILES[KOSDAQ]).unlink()
    with pytest.raises(ConfigError, match=r"nxt_kosdaq_code\.mst"):
        Universe.load(None, date(2026, 11, 19))


def test_m05_prices_of_the_day_go_before_the_master_file_and_listing_facts_stay(
    folder: Path,
) -> None:
    listed = read_universe(folder)
    samsung = listed.get("005930")
    merged = listed.with_prices([msgspec.structs.replace(samsung, base=99_000, nxt=False)])
    assert merged.get("005930") == msgspec.structs.replace(samsung, base=99_000)
    assert len(merged) == len(listed)


@settings(max_examples=200)
@given(st.binary(max_size=400), st.sampled_from(list(Board)), st.integers(0, 3_000))
def test_m05_whatever_a_master_file_holds_it_is_records_or_a_typed_error(
    junk: bytes, board: Board, at: int
) -> None:
    good = write_master(RECORDS[board], board)
    for data in (junk, good[:at] + junk + good[at:], good[:at]):
        try:
            read_master(data, board)
        except ConfigError:
            continue


def test_n02_m05_the_full_universe_is_searched_by_name_and_by_initials(tmp_path: Path) -> None:
    many = [
        record(f"{n:06d}", f"{'가나다라마바사'[n % 7]}{'전화기업'[n % 4]}{n}")
        for n in range(1, 4_000)
    ]
    universe = Universe([*(r.instrument(False) for r in many), RECORDS[KOSPI][0].instrument(True)])
    assert universe.search("삼성전자")[0].code == "005930"
    assert universe.search("ㅅㅅㅈㅈ")[0].code == "005930"
    assert {item.name[:2] for item in universe.search("가전")} == {"가전"}
