"""K15: every code that KIS is known to send has Korean and English words and, unless all is well, a
cure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.kis.error_codes import CODES, RATE_LIMITED, TOKEN_EXPIRED, TRY_AGAIN, cure_of, explain
from kisnb.simulator.host.personas import LIVE

GATEWAY = """
EGW00001 EGW00002 EGW00003 EGW00004 EGW00101 EGW00102 EGW00103 EGW00104 EGW00105 EGW00115 EGW00116
EGW00117 EGW00121 EGW00122 EGW00123 EGW00131 EGW00132 EGW00133 EGW00201 EGW00202 EGW00203 EGW00205
EGW00206 EGW00207 EGW00208 EGW00209 EGW00210 EGW00213 EGW00215 EGW00300 EGW00301 EGW00302 EGW00303
EGW00304 EGW00316 EGW02004 EGW02006 EGW02007 IGW00009
"""
QUERIES = """
OPSQ0001 OPSQ0002 OPSQ0003 OPSQ0008 OPSQ0009 OPSQ1002 OPSQ2000 OPSQ2001 OPSQ2002 OPSQ9995 OPSQ9996
OPSQ9997 OPSQ9998 OPSQ9999 SYDB0050 MCA05918
"""
ORDERS = """
APBK0344 APBK0400 APBK0506 APBK0656 APBK0918 APBK0919 APBK0927 APBK0952 APBK1234 APBK1664 APBK1943
APBK3009 APBK3013 KIER3672 KIOK0320 40030000 40070000 40100000 40310000 40330000 40570000 40580000
90000000
"""
STREAM = """
OPSP0007 OPSP0008 OPSP0009 OPSP0010 OPSP0011 OPSP8991 OPSP8992 OPSP8993 OPSP8994 OPSP8995 OPSP8996
OPSP8997 OPSP8998 OPSP8999 OPSP9990 OPSP9991 OPSP9992 OPSP9993 OPSP9994 OPSP9995 OPSP9996 OPSP9997
OPSP9998 OPSP9999
"""
DONE = """
MCA00000 APBK0013 APBK0029 APBK1711 APBK2938 KIOK0420 KIOK0430 KIOK0460 KIOK0490 KIOK0500 KIOK0510
KIOK0530 KIOK0560 40600000 40610000 40620000 40630000 40240000 20310000 20312000 OPSP0000 OPSP0001
OPSP0002 OPSP0003
"""


@pytest.mark.parametrize("msg_cd", (GATEWAY + QUERIES + ORDERS + STREAM).split())
def test_k15_a_refusal_is_explained_in_korean_and_english_with_its_cure(msg_cd: str) -> None:
    code = CODES[msg_cd]
    assert code.korean
    assert code.english
    line = explain(msg_cd)
    assert "\n" not in line
    assert line.startswith(f"{msg_cd}: {code.korean} — {code.english}. ")
    assert cure_of(msg_cd)
    assert line.endswith(f"{code.cure[1:]}.")


@pytest.mark.parametrize("msg_cd", DONE.split())
def test_k15_a_code_of_success_has_no_cure(msg_cd: str) -> None:
    assert explain(msg_cd) == f"{msg_cd}: {CODES[msg_cd].korean} — {CODES[msg_cd].english}."


def test_k15_the_dictionary_holds_these_and_no_others() -> None:
    assert set(CODES) == set((GATEWAY + QUERIES + ORDERS + STREAM + DONE).split())


@pytest.mark.parametrize("typed", ["apbk0918", " APBK0918 ", "[APBK0918]"])
def test_k15_a_code_is_found_however_it_is_typed(typed: str) -> None:
    assert explain(typed) == explain("APBK0918")


@given(st.text(max_size=20))
def test_k15_whatever_is_typed_is_answered_in_one_line(typed: str) -> None:
    assert len(explain(typed).splitlines()) == 1


def test_k15_every_refusal_of_the_simulated_host_is_in_the_dictionary() -> None:
    assert {refusal.msg_cd for refusal in LIVE.refusals.values()} <= set(CODES)


def test_k15_only_a_call_whose_error_may_pass_is_sent_again() -> None:
    assert TRY_AGAIN > {"EGW00201", "EGW00215"} >= RATE_LIMITED
    assert not TRY_AGAIN & TOKEN_EXPIRED
