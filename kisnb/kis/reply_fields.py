"""The fields of every reply, in the order of KIS's documentation: replies are read and written by this table."""

from __future__ import annotations

from typing import Literal

import msgspec

LEVELS = 10
"""Price levels of a book."""


class Block(msgspec.Struct, frozen=True):
    """One ``output`` of a reply: an object, or an array of them; field names in the case of the wire."""

    name: str
    shape: Literal["object", "array"]
    empty: dict[str, str]
    """Every field with what KIS sends when there is nothing to say: ``"0"`` for numbers, ``""`` for texts."""


class ReplyTable(msgspec.Struct, frozen=True):
    """The blocks of a reply and the code and text of success (PROTOCOL of KIS: ``rt_cd`` alone decides)."""

    blocks: tuple[Block, ...]
    msg_cd: str = ""
    msg1: str = ""


def _block(name: str, shape: Literal["object", "array"], fields: str) -> Block:
    """``fields`` as one text: a star marks a text, a hash stands for the levels 1 to 10."""
    names: list[str] = []
    for word in fields.split():
        names += [word.replace("#", str(i)) for i in range(1, LEVELS + 1)] if "#" in word else [word]
    return Block(name, shape, {n.rstrip("*"): "" if n.endswith("*") else "0" for n in names})


_QUOTED = ("MCA00000", "정상처리 되었습니다.")
_ORDERED = ("APBK0013", "주문 전송 완료 되었습니다.")
_LOOKED_UP = ("KIOK0510", "조회가 완료되었습니다")
_ORDER_REPLY = ReplyTable((_block("output", "object", "KRX_FWDG_ORD_ORGNO* ODNO* ORD_TMD*"),), *_ORDERED)

REPLIES: dict[str, ReplyTable] = {
    "token": ReplyTable(()),
    "revoke_token": ReplyTable(()),
    "approval": ReplyTable(()),
    "inquire_price": ReplyTable(
        (
            _block(
                "output",
                "object",
                "iscd_stat_cls_code* marg_rate rprs_mrkt_kor_name* new_hgpr_lwpr_cls_code* bstp_kor_isnm* temp_stop_yn*"
                " oprc_rang_cont_yn* clpr_rang_cont_yn* crdt_able_yn* grmn_rate_cls_code* elw_pblc_yn* stck_prpr prdy_vrss"
                " prdy_vrss_sign prdy_ctrt acml_tr_pbmn acml_vol prdy_vrss_vol_rate stck_oprc stck_hgpr stck_lwpr stck_mxpr"
                " stck_llam stck_sdpr wghn_avrg_stck_prc hts_frgn_ehrt frgn_ntby_qty pgtr_ntby_qty pvt_scnd_dmrs_prc"
                " pvt_frst_dmrs_prc pvt_pont_val pvt_frst_dmsp_prc pvt_scnd_dmsp_prc dmrs_val dmsp_val cpfn rstc_wdth_prc"
                " stck_fcam stck_sspr aspr_unit hts_deal_qty_unit_val lstn_stcn hts_avls per pbr stac_month* vol_tnrt eps"
                " bps d250_hgpr d250_hgpr_date* d250_hgpr_vrss_prpr_rate d250_lwpr d250_lwpr_date* d250_lwpr_vrss_prpr_rate"
                " stck_dryy_hgpr dryy_hgpr_vrss_prpr_rate dryy_hgpr_date* stck_dryy_lwpr dryy_lwpr_vrss_prpr_rate"
                " dryy_lwpr_date* w52_hgpr w52_hgpr_vrss_prpr_ctrt w52_hgpr_date* w52_lwpr w52_lwpr_vrss_prpr_ctrt"
                " w52_lwpr_date* whol_loan_rmnd_rate ssts_yn* stck_shrn_iscd* fcam_cnnm* cpfn_cnnm* apprch_rate*"
                " frgn_hldn_qty vi_cls_code* ovtm_vi_cls_code* last_ssts_cntg_qty invt_caful_yn* mrkt_warn_cls_code*"
                " short_over_yn* sltr_yn* mang_issu_cls_code*",
            ),
        ),
        *_QUOTED,
    ),
    "inquire_asking_price_exp_ccn": ReplyTable(
        (
            _block(
                "output1",
                "object",
                "aspr_acpt_hour* askp# bidp# askp_rsqn# bidp_rsqn# askp_rsqn_icdc# bidp_rsqn_icdc# total_askp_rsqn"
                " total_bidp_rsqn total_askp_rsqn_icdc total_bidp_rsqn_icdc ovtm_total_askp_icdc ovtm_total_bidp_icdc"
                " ovtm_total_askp_rsqn ovtm_total_bidp_rsqn ntby_aspr_rsqn new_mkop_cls_code*",
            ),
            _block(
                "output2",
                "object",
                "antc_mkop_cls_code* stck_prpr stck_oprc stck_hgpr stck_lwpr stck_sdpr antc_cnpr antc_cntg_vrss_sign"
                " antc_cntg_vrss antc_cntg_prdy_ctrt antc_vol stck_shrn_iscd* vi_cls_code*",
            ),
        ),
        *_QUOTED,
    ),
    "inquire_ccnl": ReplyTable(
        (_block("output", "array", "stck_cntg_hour* stck_prpr prdy_vrss prdy_vrss_sign cntg_vol tday_rltv prdy_ctrt"),),
        *_QUOTED,
    ),
    "volume_rank": ReplyTable(
        (
            _block(
                "output",
                "array",
                "hts_kor_isnm* mksc_shrn_iscd* data_rank stck_prpr prdy_vrss_sign prdy_vrss prdy_ctrt acml_vol prdy_vol"
                " lstn_stcn avrg_vol n_befr_clpr_vrss_prpr_rate vol_inrt vol_tnrt nday_vol_tnrt avrg_tr_pbmn tr_pbmn_tnrt"
                " nday_tr_pbmn_tnrt acml_tr_pbmn",
            ),
        ),
        *_QUOTED,
    ),
    "order_cash_sell": _ORDER_REPLY,
    "order_cash_buy": _ORDER_REPLY,
    "order_rvsecncl": _ORDER_REPLY,
    "inquire_balance": ReplyTable(
        (
            _block(
                "output1",
                "array",
                "pdno* prdt_name* trad_dvsn_name* bfdy_buy_qty bfdy_sll_qty thdt_buyqty thdt_sll_qty hldg_qty ord_psbl_qty"
                " pchs_avg_pric pchs_amt prpr evlu_amt evlu_pfls_amt evlu_pfls_rt evlu_erng_rt loan_dt* loan_amt"
                " stln_slng_chgs expd_dt* fltt_rt bfdy_cprs_icdc item_mgna_rt_name* grta_rt_name* sbst_pric stck_loan_unpr",
            ),
            _block(
                "output2",
                "array",
                "dnca_tot_amt nxdy_excc_amt prvs_rcdl_excc_amt cma_evlu_amt bfdy_buy_amt thdt_buy_amt nxdy_auto_rdpt_amt"
                " bfdy_sll_amt thdt_sll_amt d2_auto_rdpt_amt bfdy_tlex_amt thdt_tlex_amt tot_loan_amt scts_evlu_amt"
                " tot_evlu_amt nass_amt fncg_gld_auto_rdpt_yn* pchs_amt_smtl_amt evlu_amt_smtl_amt evlu_pfls_smtl_amt"
                " tot_stln_slng_chgs bfdy_tot_asst_evlu_amt asst_icdc_amt asst_icdc_erng_rt",
            ),
        ),
        *_LOOKED_UP,
    ),
    "inquire_psbl_order": ReplyTable(
        (
            _block(
                "output",
                "object",
                "ord_psbl_cash ord_psbl_sbst ruse_psbl_amt fund_rpch_chgs psbl_qty_calc_unpr nrcvb_buy_amt nrcvb_buy_qty"
                " max_buy_amt max_buy_qty cma_evlu_amt ovrs_re_use_amt_wcrc ord_psbl_frcr_amt_wcrc",
            ),
        ),
        *_LOOKED_UP,
    ),
    "inquire_daily_ccld": ReplyTable(
        (
            _block(
                "output1",
                "array",
                "ord_dt* ord_gno_brno* odno* orgn_odno* ord_dvsn_name* sll_buy_dvsn_cd* sll_buy_dvsn_cd_name* pdno*"
                " prdt_name* ord_qty ord_unpr ord_tmd* tot_ccld_qty avg_prvs cncl_yn* tot_ccld_amt loan_dt* ordr_empno*"
                " ord_dvsn_cd* cnc_cfrm_qty rmn_qty rjct_qty ccld_cndt_name* inqr_ip_addr* cpbc_ordp_ord_rcit_dvsn_cd*"
                " cpbc_ordp_infm_mthd_dvsn_cd* infm_tmd* ctac_tlno* prdt_type_cd* excg_dvsn_cd* cpbc_ordp_mtrl_dvsn_cd*"
                " ord_orgno* rsvn_ord_end_dt* excg_id_dvsn_Cd* stpm_cndt_pric stpm_efct_occr_dtmd*",
            ),
            _block("output2", "object", "tot_ord_qty tot_ccld_qty tot_ccld_amt prsm_tlex_smtl pchs_avg_pric"),
        ),
        *_LOOKED_UP,
    ),
}
"""``excg_id_dvsn_Cd`` is spelt as KIS documents it; replies are read without regard to case."""
