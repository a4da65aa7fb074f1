"""Calls by name: their parameters, the types of their columns, and what is refused (row K14)."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kisnb.errors import BadInput, FrameError, UnknownCall
from kisnb.kis.by_name.calls import call_named, call_params, open_params, reading_calls
from kisnb.kis.by_name.frames import ACCOUNT_FIELDS, api_frames, column_type, column_types
from kisnb.kis.by_name.pages import page_of, search_calls, signature_of
from kisnb.kis.catalogue import APIS, Api

TYPES = {"text": pl.String, "whole": pl.Int64, "decimal": pl.Float64, "date": pl.Date}
ORDERS = [name for name, api in APIS.items() if api.is_order]
KEYS = [name for name, api in APIS.items() if api.post and not api.is_order]


def test_k14_every_call_that_reads_can_be_called_by_name_and_explains_itself() -> None:
    calls = list(reading_calls())
    assert len(calls) == len(APIS) - len(ORDERS) - len(KEYS) == 257
    for api in calls:
        assert api.name.isidentifier()
        assert call_named(api.name) is api
        page, names = page_of(api), list(signature_of(api).parameters)
        assert page.startswith(api.title)
        assert f"GET {api.path} · live" in page
        for param in open_params(api):
            assert param.name.lower() in names
            assert f"    {param.name.lower()}" in page
        for block in api.blocks:
            assert all(f"    {name} (" in page for name in column_types(api, block))


def test_k14_every_call_gives_frames_with_the_documented_columns_also_without_rows() -> None:
    for api in reading_calls():
        result = api_frames(api, {})
        frames = result if isinstance(result, dict) else {api.blocks[0].name: result}
        assert list(frames) == [block.name for block in api.blocks]
        assert isinstance(result, dict) == (len(api.blocks) > 1)
        for block in api.blocks:
            kinds = column_types(api, block)
            assert dict(frames[block.name].schema) == {n: TYPES[k] for n, k in kinds.items()}


@pytest.mark.parametrize("name", ORDERS)
def test_k14_a_call_that_places_revises_or_cancels_is_refused_with_the_verb_to_use(
    name: str,
) -> None:
    with pytest.raises(BadInput, match=r"only the desk may do that\. .*%kis \w+") as caught:
        call_named(name)
    from kisnb.notebook.commands.verbs.table import VERBS

    assert set(re.findall(r"%kis (\w+)", str(caught.value))) <= VERBS.keys()


@pytest.mark.parametrize("name", KEYS)
def test_k14_a_call_about_keys_is_refused_because_the_desk_does_it(name: str) -> None:
    with pytest.raises(BadInput, match=r"about KIS's keys\. The desk .* %kis open"):
        call_named(name)


def test_k14_an_unknown_call_is_refused_with_names_that_are_near() -> None:
    with pytest.raises(UnknownCall, match=r"did you mean inquire_price.*%kis api WORD") as caught:
        call_named("inquire_prise")
    assert isinstance(caught.value, AttributeError)


def test_k14_unknown_and_missing_parameters_are_refused_with_a_guess_and_the_list() -> None:
    with pytest.raises(BadInput) as caught:
        call_params(APIS["inquire_price"], {"fid_input_iscdd": "005930"})
    assert str(caught.value) == (
        "The call inquire_price does not take fid_input_iscdd (did you mean fid_input_iscd?); "
        "the call inquire_price needs fid_cond_mrkt_div_code, fid_input_iscd. "
        "Its parameters are fid_cond_mrkt_div_code, fid_input_iscd."
    )


def test_k14_values_are_texts_whole_numbers_or_days() -> None:
    api = APIS["inquire_daily_itemchartprice"]
    given = dict.fromkeys((p.name.lower() for p in open_params(api)), "")
    asked = call_params(api, given | {"fid_input_date_1": date(2026, 11, 20), "fid_org_adj_prc": 0})
    assert (asked["FID_INPUT_DATE_1"], asked["FID_ORG_ADJ_PRC"]) == ("20261120", "0")
    for value in (5930, 5930.0, None, True):
        with pytest.raises(BadInput, match='quotation marks: fid_input_iscd="005930"'):
            call_params(api, given | {"fid_input_iscd": value})  # type: ignore[dict-item]
    with pytest.raises(BadInput, match="no text, whole number or day"):
        call_params(api, given | {"fid_org_adj_prc": 0.5})  # type: ignore[dict-item]


def test_k14_the_account_and_the_keys_of_pages_are_the_desks_in_every_call() -> None:
    for api in reading_calls():
        names = {param.name.lower() for param in open_params(api)}
        assert not names & {"cano", "acnt_prdt_cd", "acnt_pwd"}
        assert not any(name.startswith("ctx_area") for name in names)
        # What is left over is exactly what ``KisBroker.call`` adds.
        own = {"CANO", "ACNT_PRDT_CD", "ACNT_PWD", *api.ctx}
        assert {*api.params} - own == {param.name for param in open_params(api)}
    with pytest.raises(BadInput, match="takes no cano, because the desk adds its account"):
        call_params(APIS["inquire_balance"], {"cano": "12345678"})
    with pytest.raises(BadInput, match="because the desk reads all pages"):
        call_params(APIS["inquire_balance"], {"ctx_area_fk100": ""})


def test_k14_no_frame_has_the_number_of_the_account() -> None:
    for api in reading_calls():
        rows = {b.name: [dict.fromkeys(ACCOUNT_FIELDS, "12345678")] for b in api.blocks}
        result = api_frames(api, rows)
        for frame in result.values() if isinstance(result, dict) else [result]:
            assert not ACCOUNT_FIELDS & set(frame.columns)


def one(name: str, row: dict[str, str], **options: bool) -> pl.DataFrame:
    """A frame of one row, of the call's last block."""
    api = APIS[name]
    result = api_frames(api, {api.blocks[-1].name: [row]}, **options)
    return result[api.blocks[-1].name] if isinstance(result, dict) else result


def test_k14_an_empty_text_is_null_and_never_0() -> None:
    names = [field.name.lower() for field in APIS["inquire_daily_itemchartprice"].blocks[-1].fields]
    frame = one("inquire_daily_itemchartprice", dict.fromkeys(names, " "))
    assert all(value is None for value in frame.row(0))


def test_k14_a_day_is_a_date_and_zeros_for_it_are_null() -> None:
    frames = [
        one("inquire_daily_itemchartprice", {"stck_bsop_date": text, "stck_clpr": "+0071000"})
        for text in ("20261120", "2026/11/20", "00000000")
    ]
    days = [frame["stck_bsop_date"][0] for frame in frames]
    assert days == [date(2026, 11, 20), date(2026, 11, 20), None]
    assert frames[0]["stck_clpr"].to_list() == [71_000]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"stck_bsop_date": "20261340"}, "should be a date, YYYYMMDD"),
        ({"stck_bsop_date": "2026/1120"}, "should be a date, YYYYMMDD"),
        ({"stck_clpr": "71000.5"}, "should be a whole number"),
        ({"stck_clpr": "n/a"}, "should be a number"),
    ],
)
def test_k14_a_value_of_another_type_is_an_error_that_says_how_to_read_it_as_text(
    row: dict[str, str], why: str
) -> None:
    with pytest.raises(FrameError, match=why) as caught:
        one("inquire_daily_itemchartprice", row)
    assert "session.api.inquire_daily_itemchartprice(..., typed=False)" in str(caught.value)
    frame = one("inquire_daily_itemchartprice", row, typed=False)
    assert set(frame.dtypes) == {pl.String}
    assert next(iter(row.values())) in frame.row(0)


def test_k14_money_abroad_keeps_its_decimals_and_a_field_that_kis_adds_is_text() -> None:
    types = {f.name.lower(): column_type(api, f) for api, f in _fields("overseas")}
    assert types["n_base"] == "decimal"  # a price, which no example shows
    assert types["rank"] == types["n_tvol"] == "whole"
    frame = one("inquire_daily_itemchartprice", {"new_field": "7"})
    assert frame["new_field"].to_list() == ["7"]


def _fields(part: str) -> list[tuple[Api, Any]]:
    return [(a, f) for a in reading_calls() if part in a.path for b in a.blocks for f in b.fields]


def test_k14_search_finds_calls_by_korean_and_english_words() -> None:
    found = search_calls("외국인")
    assert found.columns == ["name", "title", "path", "modes", "parameters"]
    # Titles come before the labels of columns.
    assert "외국인" in found["title"][0]
    assert "inquire_price" in found["name"].to_list()
    row = search_calls("inquire-price domestic-stock fhkst01010100").row(0, named=True)
    assert (row["name"], row["modes"]) == ("inquire_price", "live, paper")
    assert row["parameters"] == ["fid_cond_mrkt_div_code", "fid_input_iscd"]
    channel = search_calls("h0stcnt0").row(0, named=True)
    assert (channel["path"], channel["parameters"]) == ("H0STCNT0", ["tr_key"])
    assert search_calls().height == 257 + 53
    assert search_calls("order-cash").is_empty()


def test_k14_importing_a_session_loads_no_table_of_calls() -> None:
    code = (
        "import sys, kisnb.session.session, kisnb.notebook.commands.verbs.table;"
        "from kisnb.kis import catalogue; loaded = catalogue._by_name.cache_info().currsize;"
        "sys.exit(loaded + sum(m.startswith('kisnb.kis.by_name') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# against KIS's own table, where it is on this machine


@pytest.fixture(scope="module")
def spec() -> dict[tuple[str, str], dict[str, Any]]:
    """The calls of the workbook by method and path."""
    path = Path(os.environ.get("KISNB_DATA") or "unset").parent / "kis" / "spec.json"
    if not path.is_file():
        pytest.skip("KIS's table is not on this machine")
    entries = json.loads(path.read_text("utf-8"))["apis"]
    return {(e["method"], e["path"]): e for e in entries if e["kind"] == "rest"}


@pytest.mark.data
def test_k14_the_calls_are_those_of_the_workbook_with_their_titles_and_parameters(
    spec: dict[tuple[str, str], dict[str, Any]],
) -> None:
    assert {(api.method, api.path) for api in APIS.values()} == spec.keys()
    for api in reading_calls():
        entry = spec[api.method, api.path]
        assert api.title == entry["name"]
        # Some paths serve several TR ids, which the workbook lists with their purpose.
        assert api.tr_live in str(entry["tr_id_real"])
        assert api.tr_paper in str(entry["tr_id_paper"])
        assert bool(api.tr_paper) == bool(entry["paper_supported"]), api.name
        documented = [param["n"] for param in entry.get("req_query", ())]
        # The workbook shortens a list of 32 parameters to three rows.
        shortened = [name for name in documented if "…" in name or "..." in name]
        assert not {*documented} - {*shortened} - {*api.params}
        assert shortened or {*api.params} == {*documented}


@pytest.mark.data
def test_k14_every_documented_example_fits_the_type_of_its_column(
    spec: dict[tuple[str, str], dict[str, Any]],
) -> None:
    tried = 0
    for api in reading_calls():
        entry = spec[api.method, api.path]
        blocks = {name.lower(): block for name, block in entry["res_output"].items()}
        for block in api.blocks:
            said = blocks.get(block.name.lower()) or blocks.get(block.also.lower()) or {}
            examples = {f["n"].lower(): f.get("ex", "") for f in said.get("fields", ())}
            # Figures of a person's account are masked in the workbook.
            row = {name: text for name, text in examples.items() if "**" not in text}
            api_frames(api, {block.name: [row]})
            tried += sum(bool(text.strip()) for text in row.values())
    assert tried > 4_000


def test_k14_the_signature_is_that_of_keywords() -> None:
    parameters = signature_of(APIS["inquire_price"]).parameters.values()
    assert {p.kind for p in parameters} == {inspect.Parameter.KEYWORD_ONLY}
