"""The catalogue: every call is found by what stands on the wire, and has its parameters and its
reply."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kisnb.errors import ApiError, BadInput
from kisnb.kis.calls.messages import decode_params, encode_params
from kisnb.kis.catalogue import APIS, find
from kisnb.terms import Mode

ACCOUNT = {"CANO": "12345678", "ACNT_PRDT_CD": "01"}


def test_every_documented_api_is_there_once() -> None:
    assert len({(api.method, api.path) for api in APIS.values()}) == 276
    assert len({(api.path, api.tr_live) for api in APIS.values()}) == len(APIS)


def test_every_reply_names_its_fields_once() -> None:
    for api in APIS.values():
        for block in api.blocks:
            assert len(block.empty) == len(block.fields) > 0, (api.name, block.name)


def test_a_call_that_moves_money_counts_as_an_order() -> None:
    posts = {name for name, api in APIS.items() if api.post and not api.is_order}
    assert posts == {"token", "revoke_token", "approval", "hashkey"}


def test_importing_the_catalogue_reads_no_file() -> None:
    code = (
        "from kisnb.kis import catalogue; raise "
        "SystemExit(catalogue._by_name.cache_info().currsize)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("persona", [Mode.LIVE, Mode.PAPER])
def test_every_api_is_found_by_method_path_and_tr_id(persona: Mode) -> None:
    for api in APIS.values():
        offered = bool(api.tr_id(persona)) or not api.tr_live
        assert find(api.method, api.path, api.tr_id(persona)) is (api if offered else None)


def test_old_tr_ids_and_wrong_methods_are_unknown() -> None:
    assert find("POST", "/uapi/domestic-stock/v1/trading/order-cash", "TTTC0802U") is None
    assert find("GET", "/uapi/domestic-stock/v1/trading/order-cash", "TTTC0012U") is None
    assert find("GET", "/uapi/domestic-stock/v1/quotations/inquire-price", "") is None


def test_oauth_calls_need_no_tr_id() -> None:
    assert find("POST", "/oauth2/tokenP", "") is APIS["token"]
    assert find("POST", "/oauth2/Approval", "whatever") is APIS["approval"]
    assert find("POST", "/oauth2/approval", "") is None  # capital A


@pytest.mark.parametrize("name", ["order_cash_buy", "order_cash_sell", "order_rvsecncl"])
def test_r02_no_order_body_can_be_built_without_a_venue(name: str) -> None:
    api = APIS[name]
    values = dict.fromkeys(api.params, "0")
    assert encode_params(api, **values)["EXCG_ID_DVSN_CD"] == "0"
    del values["EXCG_ID_DVSN_CD"]
    with pytest.raises(BadInput, match="needs EXCG_ID_DVSN_CD"):
        encode_params(api, **values)


def test_parameters_that_kis_does_not_know_are_refused() -> None:
    with pytest.raises(BadInput, match="does not take FID_WRONG and needs FID_INPUT_ISCD"):
        encode_params(APIS["inquire_price"], FID_COND_MRKT_DIV_CODE="J", FID_WRONG="005930")


def test_the_server_reads_parameters_in_either_case_and_fills_what_was_left_out() -> None:
    api = APIS["inquire_price"]
    said = {"fid_cond_mrkt_div_code": "J", "FID_INPUT_ISCD": "0001A0"}
    assert decode_params(api, said) == {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "0001A0"}
    order = dict.fromkeys(("PDNO", "ORD_DVSN", "ORD_QTY", "ORD_UNPR"), "1") | ACCOUNT
    assert decode_params(APIS["order_cash_buy"], order)["EXCG_ID_DVSN_CD"] == ""


def test_the_server_names_a_missing_parameter() -> None:
    with pytest.raises(ApiError, match=r"INPUT FIELD NOT FOUND \[FID_INPUT_ISCD\]") as caught:
        decode_params(APIS["inquire_price"], {"FID_COND_MRKT_DIV_CODE": "J"})
    assert caught.value.msg_cd == "OPSQ2001"


def test_encoded_parameters_of_every_call_are_decoded_to_the_same_values() -> None:
    for api in APIS.values():
        values = {name: f"value of {name}" for name in api.params}
        assert decode_params(api, encode_params(api, **values)) == values
