"""The ranking by volume, as KIS words it. Row H03."""

from __future__ import annotations

import pytest

from kisnb.kis.catalogue import APIS

from .customer import trader

RANK = dict.fromkeys(APIS["volume_rank"].params, "") | {"FID_COND_MRKT_DIV_CODE": "J"}


@pytest.mark.parametrize(("by", "field"), [("0", "avrg_vol"), ("3", "acml_tr_pbmn")])
def test_thirty_issues_come_ranked_without_a_next_page(by: str, field: str) -> None:
    one = trader()
    reply = one.ask("volume_rank", RANK | {"FID_BLNG_CLS_CODE": by})
    rows = one.said(reply)["output"]
    universe = one.core._market.universe
    assert len(rows) == min(30, sum(not item.halted for item in universe))
    assert [row["data_rank"] for row in rows] == [str(n) for n in range(1, len(rows) + 1)]
    ranked = [int(row[field]) for row in rows]
    assert ranked == sorted(ranked, reverse=True)
    assert not any(universe.get(row["mksc_shrn_iscd"]).halted for row in rows)
    assert reply.headers["tr_cont"] == ""


@pytest.mark.parametrize("wrong", [{"FID_BLNG_CLS_CODE": "9"}, {"FID_COND_MRKT_DIV_CODE": "XX"}])
def test_an_unknown_ranking_is_refused(wrong: dict[str, str]) -> None:
    one = trader()
    assert (
        one.said(one.ask("volume_rank", RANK | {"FID_BLNG_CLS_CODE": "0"} | wrong))["msg_cd"]
        == "OPSQ2001"
    )
