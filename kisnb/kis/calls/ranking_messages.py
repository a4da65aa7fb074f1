"""The rankings of a market session: requests by market code, and rows as one DataFrame.

Won and shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from kisnb.errors import BadInput
from kisnb.kis.calls.messages import encode_params
from kisnb.kis.calls.tables import typed_column
from kisnb.kis.catalogue import APIS, FieldKind

if TYPE_CHECKING:
    import polars as pl

RankingKind: TypeAlias = Literal["volume", "fluctuation"]
MOST_ROWS = 30
"""Most rows of a ranking. KIS gives no next page (workbook)."""

_ASKED: dict[RankingKind, tuple[str, dict[str, str]]] = {
    "volume": (
        "volume_rank",
        {
            # The number of the ranking's screen. KIS wants exactly this one (workbook).
            "FID_COND_SCR_DIV_CODE": "20171",
            "FID_INPUT_ISCD": "0000",
            "FID_DIV_CLS_CODE": "0",
            # 3 ranks by traded value. 0 ranks by average volume, 1 by growth, 2 by turnover
            # (workbook).
            "FID_BLNG_CLS_CODE": "3",
            # Each 1 lets a group of stocks in. Each 1 of the next filter would keep one out.
            "FID_TRGT_CLS_CODE": "111111111",
            "FID_TRGT_EXLS_CLS_CODE": "0000000000",
        },
    ),
    "fluctuation": (
        "fluctuation",
        {
            "fid_cond_scr_div_code": "20170",
            "fid_input_iscd": "0000",
            # 0 ranks by the rise, 1 by the fall (workbook).
            "fid_rank_sort_cls_code": "0",
            "fid_input_cnt_1": "0",
            "fid_prc_cls_code": "1",
            "fid_trgt_cls_code": "0",
            "fid_trgt_exls_cls_code": "0",
            "fid_div_cls_code": "0",
        },
    ),
}
"""The call and the parameters of each ranking, for every stock, without a filter.

One ranks by traded value, the other by the rise against the previous close.
"""
_COLUMNS: tuple[tuple[str, FieldKind, tuple[str, ...]], ...] = (
    ("rank", "n", ("data_rank",)),
    ("code", "t", ("mksc_shrn_iscd", "stck_shrn_iscd")),
    ("name", "t", ("hts_kor_isnm",)),
    ("price", "n", ("stck_prpr",)),
    ("change", "n", ("prdy_vrss",)),
    ("change_pct", "d", ("prdy_ctrt",)),
    ("volume", "n", ("acml_vol",)),
    ("value", "n", ("acml_tr_pbmn",)),
)
"""Name of each column, its type, and the fields of KIS that may hold its value."""


def ranking_call(kind: RankingKind, exchange_code: str) -> tuple[str, dict[str, str]]:
    """Return name and parameters of the call for a ranking. Raises BadInput for another kind.

    ``exchange_code`` is J (KRX) or NX (NXT): rankings know no unified market (workbook).
    """
    if kind not in _ASKED:
        raise BadInput(f"there is no ranking by {kind}", f"take {' or '.join(_ASKED)}")
    name, given = _ASKED[kind]
    api = APIS[name]
    market = {p: exchange_code for p in api.params if p.upper() == "FID_COND_MRKT_DIV_CODE"}
    # A filter that is not used goes out as an empty text: KIS takes that as every stock (workbook).
    return name, encode_params(api, **(dict.fromkeys(api.params, "") | given | market))


def read_ranking(rows: Sequence[dict[str, str]], n: int = MOST_ROWS) -> pl.DataFrame:
    """Return a DataFrame of the first ``n`` rows of a ranking. Raises FrameError.

    Columns: rank, code, name, price (won), change (won), change_pct, volume (shares), value (won;
    null where KIS sends none).
    """
    import polars as pl

    return pl.DataFrame(
        [
            typed_column(
                name, kind, [next((row[f] for f in fields if f in row), "") for row in rows[:n]]
            )
            for name, kind, fields in _COLUMNS
        ]
    )
