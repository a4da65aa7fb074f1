"""The KIS APIs that kisnb speaks: path, TR ids, parameters. Client and simulator read this one table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from kisnb.terms import Mode


class Api(msgspec.Struct, frozen=True):
    """One API. Parameter names are exactly as on the wire; ``optional`` is what KIS lets out."""

    name: str
    method: Literal["GET", "POST"]
    path: str
    tr_live: str
    """Empty for the OAuth calls, which carry no ``tr_id``."""
    tr_paper: str
    """Empty, too, for what the paper host does not offer."""
    params: tuple[str, ...]
    optional: frozenset[str]
    is_order: bool = False
    """Moves money: sent once, never again."""
    row_key: tuple[str, ...] = ()
    """Of a paged reply: the fields of ``row_block`` that tell its rows apart."""
    row_block: str = "output1"

    @property
    def paged(self) -> bool:
        return bool(self.row_key)

    @property
    def post(self) -> bool:
        return self.method == "POST"

    def tr_id(self, persona: Mode) -> str:
        """The TR id that the host of ``persona`` takes."""
        return self.tr_paper if persona is Mode.PAPER else self.tr_live


OAUTH = "/oauth2"
QUOTATIONS = "/uapi/domestic-stock/v1/quotations"
TRADING = "/uapi/domestic-stock/v1/trading"


def _api(
    name: str,
    path: str,
    trs: tuple[str, str],
    params: str,
    *,
    post: bool = False,
    is_order: bool = False,
    row_key: str = "",
    row_block: str = "output1",
) -> Api:
    """``params`` and ``row_key`` as one text of names; a question mark marks what may be left out."""
    words = params.split()
    return Api(
        name,
        "POST" if post else "GET",
        path,
        *trs,
        params=tuple(w.rstrip("?") for w in words),
        optional=frozenset(w[:-1] for w in words if w.endswith("?")),
        is_order=is_order,
        row_key=tuple(row_key.split()),
        row_block=row_block,
    )


_QUOTE_PARAMS = "FID_COND_MRKT_DIV_CODE FID_INPUT_ISCD"
_ORDER_PARAMS = "CANO ACNT_PRDT_CD PDNO SLL_TYPE? ORD_DVSN ORD_QTY ORD_UNPR CNDT_PRIC? EXCG_ID_DVSN_CD?"


def _table(apis: Iterable[Api]) -> dict[str, Api]:
    return {api.name: api for api in apis}


APIS: dict[str, Api] = _table(
    (
        _api("token", f"{OAUTH}/tokenP", ("", ""), "grant_type appkey appsecret", post=True),
        _api("revoke_token", f"{OAUTH}/revokeP", ("", ""), "appkey appsecret token", post=True),
        _api("approval", f"{OAUTH}/Approval", ("", ""), "grant_type appkey secretkey", post=True),
        _api("inquire_price", f"{QUOTATIONS}/inquire-price", ("FHKST01010100", "FHKST01010100"), _QUOTE_PARAMS),
        _api(
            "inquire_asking_price_exp_ccn",
            f"{QUOTATIONS}/inquire-asking-price-exp-ccn",
            ("FHKST01010200", "FHKST01010200"),
            _QUOTE_PARAMS,
        ),
        _api("inquire_ccnl", f"{QUOTATIONS}/inquire-ccnl", ("FHKST01010300", "FHKST01010300"), _QUOTE_PARAMS),
        _api(
            "volume_rank",
            f"{QUOTATIONS}/volume-rank",
            ("FHPST01710000", ""),
            "FID_COND_MRKT_DIV_CODE FID_COND_SCR_DIV_CODE FID_INPUT_ISCD FID_DIV_CLS_CODE FID_BLNG_CLS_CODE"
            " FID_TRGT_CLS_CODE FID_TRGT_EXLS_CLS_CODE FID_INPUT_PRICE_1 FID_INPUT_PRICE_2 FID_VOL_CNT FID_INPUT_DATE_1",
        ),
        _api(
            "order_cash_sell",
            f"{TRADING}/order-cash",
            ("TTTC0011U", "VTTC0011U"),
            _ORDER_PARAMS,
            post=True,
            is_order=True,
        ),
        _api(
            "order_cash_buy",
            f"{TRADING}/order-cash",
            ("TTTC0012U", "VTTC0012U"),
            _ORDER_PARAMS,
            post=True,
            is_order=True,
        ),
        _api(
            "order_rvsecncl",
            f"{TRADING}/order-rvsecncl",
            ("TTTC0013U", "VTTC0013U"),
            "CANO ACNT_PRDT_CD KRX_FWDG_ORD_ORGNO ORGN_ODNO ORD_DVSN RVSE_CNCL_DVSN_CD ORD_QTY ORD_UNPR QTY_ALL_ORD_YN"
            " CNDT_PRIC? EXCG_ID_DVSN_CD?",
            post=True,
            is_order=True,
        ),
        _api(
            "inquire_balance",
            f"{TRADING}/inquire-balance",
            ("TTTC8434R", "VTTC8434R"),
            "CANO ACNT_PRDT_CD AFHR_FLPR_YN OFL_YN? INQR_DVSN UNPR_DVSN FUND_STTL_ICLD_YN FNCG_AMT_AUTO_RDPT_YN PRCS_DVSN"
            " CTX_AREA_FK100? CTX_AREA_NK100?",
            row_key="pdno trad_dvsn_name loan_dt",
        ),
        _api(
            "inquire_psbl_order",
            f"{TRADING}/inquire-psbl-order",
            ("TTTC8908R", "VTTC8908R"),
            "CANO ACNT_PRDT_CD PDNO ORD_UNPR ORD_DVSN CMA_EVLU_AMT_ICLD_YN OVRS_ICLD_YN",
        ),
        _api(
            "inquire_daily_ccld",
            f"{TRADING}/inquire-daily-ccld",
            ("TTTC0081R", "VTTC0081R"),
            "CANO ACNT_PRDT_CD INQR_STRT_DT INQR_END_DT SLL_BUY_DVSN_CD PDNO? ORD_GNO_BRNO ODNO? CCLD_DVSN INQR_DVSN"
            " INQR_DVSN_1 INQR_DVSN_3 EXCG_ID_DVSN_CD CTX_AREA_FK100 CTX_AREA_NK100",
            row_key="ord_dt ord_gno_brno odno",
        ),
    )
)

_BY_CALL: dict[tuple[str, str, str], Api] = {
    (api.method, api.path, tr): api
    for api in APIS.values()
    for tr in (api.tr_live, api.tr_paper)
    if tr or not api.tr_live
}
PATHS = frozenset((api.method, api.path) for api in APIS.values())


def find(method: str, path: str, tr_id: str) -> Api | None:
    """The API of a request as it stands on the wire; None when nothing is known by this method, path and TR id."""
    return _BY_CALL.get((method, path, "" if path.startswith(OAUTH) else tr_id))
