"""KIS's message codes: what they say, what that means, and what to do about it.

Codes and meanings come from KIS's published tables and from what public clients have observed. For many only the
meaning is known, and the Korean here is then our wording of it: go by the code; KIS's own text comes with each reply.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Code(msgspec.Struct, frozen=True):
    """One code in Korean and English, its cure, and in ``order`` what became of an order that got it."""

    korean: str
    english: str
    cure: str = ""
    order: Literal["not placed", "maybe placed"] = "not placed"


_MAYBE: Literal["maybe placed"] = "maybe placed"
_KEYS = "check the appkey and appsecret in your configuration"
_WAIT = "wait a moment and ask again"
_LOOK = "look at the orders of the day before you order again"
_HOST = "use live keys with live and paper keys with paper"
_REPORT = "this is a defect of kisnb or a change at KIS; report it with this line"

CODES: dict[str, Code] = {
    # done
    "MCA00000": Code("정상처리 되었습니다.", "done"),
    "APBK0013": Code(
        "주문 전송 완료 되었습니다.", "the order was sent on; the exchange has not spoken yet"
    ),
    "KIOK0420": Code("정상적으로 조회되었습니다", "done"),
    "KIOK0430": Code("정상적으로 처리되었습니다", "done"),
    "KIOK0460": Code("조회 되었습니다. (마지막 자료)", "done; this is the last page"),
    "KIOK0490": Code("조회가 계속됩니다", "done; more pages follow"),
    "KIOK0510": Code("조회가 완료되었습니다", "done"),
    "KIOK0530": Code("조회되었습니다", "done"),
    "APBK0029": Code("주문이 완료되었습니다.", "the order was taken"),
    "APBK1711": Code("예약주문이 완료되었습니다.", "the order was taken"),
    "APBK2938": Code("주문이 접수되었습니다.", "the order was taken"),
    "40600000": Code("모의투자 매수주문이 완료 되었습니다.", "paper buy done"),
    "40610000": Code("모의투자 매도주문이 완료 되었습니다.", "paper sell done"),
    "40620000": Code("모의투자 정정주문이 완료 되었습니다.", "paper revise done"),
    "40630000": Code("모의투자 취소주문이 완료 되었습니다.", "paper cancel done"),
    "20310000": Code("모의투자 조회가 완료되었습니다.", "done"),
    "20312000": Code("모의투자 조회가 계속됩니다.", "done; more pages follow"),
    "KIOK0500": Code("조회가 계속됩니다..다음버튼을 Click 하십시오.", "done; more pages follow"),
    "KIOK0560": Code("조회할 내용이 없습니다", "nothing to show"),
    # gateway
    "EGW00001": Code("일시적 오류가 발생했습니다.", "temporary error", _WAIT, _MAYBE),
    "EGW00002": Code("서버 에러가 발생했습니다.", "server error", _WAIT, _MAYBE),
    "EGW00003": Code(
        "접근이 거부되었습니다.",
        "access denied",
        "see whether the API is still granted to your account",
    ),
    "EGW00004": Code(
        "권한을 부여받지 않은 고객입니다.",
        "customer not authorised",
        "apply for the Open API at KIS",
    ),
    "EGW00101": Code("유효하지 않은 요청입니다.", "invalid request", _REPORT),
    "EGW00102": Code("AppKey는 필수입니다.", "appkey missing", _KEYS),
    "EGW00103": Code("유효하지 않은 AppKey입니다.", "invalid appkey", _KEYS),
    "EGW00104": Code("AppSecret은 필수입니다.", "appsecret missing", _KEYS),
    "EGW00105": Code("유효하지 않은 AppSecret입니다.", "invalid appsecret", _KEYS),
    "EGW00115": Code("grant_type은 필수입니다.", "grant_type missing", _REPORT),
    "EGW00116": Code("지원하지 않는 grant_type입니다.", "grant_type not supported", _REPORT),
    "EGW00117": Code("지원하지 않는 token_type입니다.", "token_type not supported", _REPORT),
    "EGW00121": Code(
        "유효하지 않은 token 입니다.", "invalid token", "ask again; kisnb fetches a new token"
    ),
    "EGW00122": Code(
        "token을 찾을 수 없습니다.", "token not found", "ask again; kisnb fetches a new token"
    ),
    "EGW00123": Code(
        "기간이 만료된 token 입니다.", "token expired", "ask again; kisnb fetches a new token"
    ),
    "EGW00131": Code("유효하지 않은 hashkey입니다.", "invalid hashkey", _REPORT),
    "EGW00132": Code("유효하지 않은 Content-Type입니다.", "invalid Content-Type", _REPORT),
    "EGW00133": Code(
        "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)", "one token a minute", "wait a minute"
    ),
    "EGW00201": Code(
        "초당 거래건수를 초과하였습니다.", "more calls in a second than the appkey may make", _WAIT
    ),
    "EGW00202": Code("GW라우팅 중 오류가 발생했습니다.", "gateway routing error", _LOOK, _MAYBE),
    "EGW00203": Code("OPS라우팅 중 오류가 발생했습니다.", "routing error", _LOOK, _MAYBE),
    "EGW00205": Code(
        "credentials_type이 유효하지 않습니다.(Bearer)", "the token is not sent as Bearer", _REPORT
    ),
    "EGW00206": Code(
        "API 사용 권한이 없습니다.", "no right to use this API", "apply for it at KIS"
    ),
    "EGW00207": Code(
        "IP 주소가 없거나 유효하지 않습니다.",
        "IP address missing or invalid",
        "corporate accounts register their address at KIS",
    ),
    "EGW00208": Code("고객유형(custtype)이 유효하지 않습니다.", "custtype invalid", _REPORT),
    "EGW00209": Code("일련번호(seq_no)가 유효하지 않습니다.", "seq_no invalid", _REPORT),
    "EGW00210": Code(
        "법인고객의 경우 모의투자를 이용할 수 없습니다.",
        "no paper for corporate customers",
        "use live or sim",
    ),
    "EGW00213": Code("모의투자 TR이 아닙니다.", "not available in paper", "use live or sim for it"),
    "EGW00215": Code(
        "원장에서 허용 가능한 초당 거래건수를 초과하였습니다.",
        "more calls in a second than the ledger takes",
        _WAIT,
    ),
    "EGW00300": Code("GW라우팅 중 오류가 발생했습니다.", "gateway routing error", _LOOK, _MAYBE),
    "EGW00301": Code(
        "연결 시간이 초과되었습니다. 직전 거래를 반드시 확인하세요.",
        "connect timeout",
        _LOOK,
        _MAYBE,
    ),
    "EGW00302": Code(
        "거래시간이 초과되었습니다. 직전 거래를 반드시 확인하세요.",
        "transaction timeout",
        _LOOK,
        _MAYBE,
    ),
    "EGW00303": Code(
        "허용되지 않은 IP에서 호출하였습니다.",
        "IP address not allowed",
        "register this address at KIS",
    ),
    "EGW00304": Code("고객식별키가 유효하지 않습니다.", "customer key invalid", _KEYS),
    "EGW00316": Code(
        "조회 처리 중 오류 발생하였습니다. 재 조회 수행 부탁드립니다.",
        "error while looking it up",
        _WAIT,
        _MAYBE,
    ),
    "EGW02004": Code("실전투자 TR 이 아닙니다.", "a paper key or paper TR at the live host", _HOST),
    "EGW02006": Code(
        "모의투자 TR 이 아닙니다.", "this call does not exist in paper", "use live or sim for it"
    ),
    "EGW02007": Code(
        "실전투자 appkey로 모의투자를 호출하였습니다.", "a live appkey at the paper host", _HOST
    ),
    "IGW00009": Code(
        "응답 전문 구성 중 오류가 발생하였습니다.", "error while composing the reply", _LOOK, _MAYBE
    ),
    # query server
    "OPSQ0001": Code("전처리 오류", "pre-processing error", _WAIT),
    "OPSQ0002": Code("없는 서비스 코드 입니다.", "unknown TR id", _REPORT),
    "OPSQ0003": Code("호출 오류", "call error", _WAIT, _MAYBE),
    "OPSQ0008": Code("MCI 전송 오류", "send error inside KIS", _WAIT, _MAYBE),
    "OPSQ0009": Code("MCI 수신 오류", "receive error inside KIS", _WAIT, _MAYBE),
    "OPSQ1002": Code("세션 연결 오류", "session full", _WAIT),
    "OPSQ2000": Code(
        "ERROR : INPUT INVALID_CHECK_ACNO",
        "wrong account number",
        "check the account in your configuration",
    ),
    "OPSQ2001": Code("ERROR : INPUT FIELD NOT FOUND", "a parameter is missing or wrong", _REPORT),
    "OPSQ2002": Code(
        "ERROR : INPUT INVALID_CHECK_FIELD_LENGTH", "a parameter is too long", _REPORT
    ),
    "OPSQ9995": Code("body를 찾을 수 없습니다.", "no body", _REPORT),
    "OPSQ9996": Code("header를 찾을 수 없습니다.", "no header", _REPORT),
    "OPSQ9997": Code("json 형식이 아닙니다.", "no JSON", _REPORT),
    "OPSQ9998": Code("seq_no를 찾을 수 없습니다.", "no seq_no", _REPORT),
    "OPSQ9999": Code("tr_id를 찾을 수 없습니다.", "no tr_id", _REPORT),
    "MCA05918": Code(
        "종목코드 오류입니다.", "wrong stock code", "write six characters, such as 005930"
    ),
    # orders, live
    "APBK0344": Code(
        "원주문정보가 존재하지 않습니다.",
        "no such order",
        "look at the orders of the day for its number",
    ),
    "APBK0400": Code(
        "주문 가능한 수량을 초과했습니다.",
        "more shares than can be ordered or sold",
        "lower the quantity",
    ),
    "APBK0506": Code(
        "주식주문호가단위 오류입니다.",
        "the price is off the tick grid, or beyond the day's limits",
        "use a price on the grid between the lower and the upper limit",
    ),
    "APBK0656": Code("해당 종목 정보가 없습니다.", "unknown stock", "check the code"),
    "APBK0918": Code(
        "장운영시간이 아닙니다.", "the market is closed", "order while its session is open"
    ),
    "APBK0919": Code(
        "장운영일자가 주문일과 상이합니다.",
        "not a trading day of this market",
        "order on a trading day",
    ),
    "APBK0927": Code(
        "정정취소 가능수량이 없습니다.",
        "nothing is left to revise or cancel",
        "look at the orders of the day: it was filled, cancelled or expired",
    ),
    "APBK0952": Code(
        "주문가능금액을 초과 했습니다",
        "more than the orderable cash",
        "lower the quantity; market buys reserve the upper limit",
    ),
    "APBK1234": Code("보유수량이 부족합니다.", "holdings short", "lower the quantity"),
    "APBK1664": Code(
        "장이 열리지 않았습니다.", "the market is not open", "order while its session is open"
    ),
    "APBK1943": Code("시장가호가불가", "no market order now", "give a price"),
    "APBK3009": Code(
        "SOR 시장에서 거래가 불가능한 종목입니다",
        "this stock does not trade through SOR",
        "order it at KRX",
    ),
    "APBK3013": Code(
        "지정가 주문만 가능합니다.", "this session takes limit orders only", "give a price"
    ),
    "KIOK0320": Code(
        "장운영시간이 아닙니다.", "the market is closed", "order while its session is open"
    ),
    # orders, paper
    "40030000": Code(
        "모의투자 주문처리가 안되었습니다(호가단위 오류)",
        "the price is off the tick grid",
        "use a price on the grid",
    ),
    "40070000": Code(
        "모의투자 주문처리가 안되었습니다(매매불가 종목)",
        "not tradable in paper",
        "take another stock",
    ),
    "40100000": Code("모의투자 영업일이 아닙니다.", "no trading day", "order on a trading day"),
    "40240000": Code("모의투자 잔고내역이 없습니다.", "no holdings"),
    "40310000": Code(
        "모의투자 매수가능금액을 초과하였습니다.",
        "more than the orderable cash",
        "lower the quantity",
    ),
    "40330000": Code(
        "모의투자 정정/취소할 수량이 없습니다.", "nothing left to revise or cancel", _LOOK
    ),
    "40570000": Code(
        "모의투자 장시작전 입니다.", "the market is not open yet", "order while its session is open"
    ),
    "40580000": Code(
        "모의투자 장종료 입니다.", "the market is closed", "order while its session is open"
    ),
    "90000000": Code(
        "모의투자에서는 해당업무가 제공되지 않습니다.",
        "not offered in paper",
        "use live or sim for it",
    ),
    # WebSocket
    "OPSP0000": Code("SUBSCRIBE SUCCESS", "subscribed"),
    "OPSP0001": Code("UNSUBSCRIBE SUCCESS", "released"),
    "OPSP0002": Code("ALREADY IN SUBSCRIBE", "subscribed already"),
    "OPSP0003": Code("UNSUBSCRIBE ERROR(not found!)", "was not subscribed"),
    "OPSP0007": Code("SUBSCRIBE INTERNAL ERROR", "internal error", _WAIT),
    "OPSP0008": Code("MAX SUBSCRIBE OVER", "more than 41 subscriptions", "watch fewer stocks"),
    "OPSP0009": Code("SUBSCRIBE ERROR : mci send failed", "send error inside KIS", _WAIT),
    "OPSP0010": Code("SUBSCRIBE WARNING : invalid appkey", "invalid appkey", _KEYS),
    "OPSP0011": Code(
        "invalid approval : NOT FOUND", "unknown approval key", "kisnb fetches a new one"
    ),
    "OPSP8991": Code("SUBSCRIBE ERROR : invalid tr_id", "unknown channel", _REPORT),
    "OPSP8992": Code(
        "SUBSCRIBE ERROR : invalid tr_key", "wrong code", "check the stock code or the HTS id"
    ),
    "OPSP8993": Code(
        "JSON PARSING ERROR : invalid tr_key", "wrong code", "check the stock code or the HTS id"
    ),
    "OPSP8994": Code(
        "JSON PARSING ERROR : personalseckey not found", "personalseckey missing", _REPORT
    ),
    "OPSP8995": Code("JSON PARSING ERROR : appsecret not found", "appsecret missing", _REPORT),
    "OPSP8996": Code(
        "ALREADY IN USE appkey",
        "another connection uses this appkey",
        "close the other program, or wait two minutes",
    ),
    "OPSP8997": Code("JSON PARSING ERROR : invalid tr_type", "wrong tr_type", _REPORT),
    "OPSP8998": Code("JSON PARSING ERROR : invalid custtype", "wrong custtype", _REPORT),
    "OPSP8999": Code(
        "resource not available (ALLOC_CALL_PARAM)", "KIS is short of resources", _WAIT
    ),
    "OPSP9990": Code("JSON PARSING ERROR : tr_key not found", "tr_key missing", _REPORT),
    "OPSP9991": Code("JSON PARSING ERROR : input not found", "input missing", _REPORT),
    "OPSP9992": Code("JSON PARSING ERROR : body not found", "body missing", _REPORT),
    "OPSP9993": Code("JSON PARSING ERROR : internal error", "internal error", _WAIT),
    "OPSP9994": Code("JSON PARSING ERROR : INVALID appkey", "invalid appkey", _KEYS),
    "OPSP9995": Code(
        "JSON PARSING ERROR : resource not available", "KIS is short of resources", _WAIT
    ),
    "OPSP9996": Code("JSON PARSING ERROR : appkey", "appkey missing", _KEYS),
    "OPSP9997": Code("JSON PARSING ERROR : custtype", "custtype missing", _REPORT),
    "OPSP9998": Code("JSON PARSING ERROR : header not found", "header missing", _REPORT),
    "OPSP9999": Code("JSON PARSING ERROR : invalid json format", "no JSON", _REPORT),
}

RATE_LIMITED = frozenset({"EGW00201", "EGW00215"})
TRY_AGAIN = RATE_LIMITED | {"EGW00316", "OPSQ1002"}
"""A read that gets one of these is worth asking again."""
TOKEN_EXPIRED = frozenset({"EGW00121", "EGW00122", "EGW00123"})


def cure_of(msg_cd: str) -> str:
    """What to do about a code; empty when nothing is known."""
    code = CODES.get(msg_cd)
    return code.cure if code else ""


def explain(msg_cd: str) -> str:
    """One line: the code in Korean and English, and the cure; however it is typed."""
    msg_cd = " ".join(msg_cd.split()).strip("[]").upper()
    if not msg_cd:
        return "A code of KIS looks like APBK0918; it stands in brackets behind what KIS said."
    code = CODES.get(msg_cd)
    if code is None:
        return f"{msg_cd}: kisnb does not know this code; KIS's own text says what it means."
    cure = f" {code.cure[0].upper()}{code.cure[1:]}." if code.cure else ""
    return f"{msg_cd}: {code.korean} — {code.english}.{cure}"


def was_not_placed(msg_cd: str, status: int) -> bool:
    """Whether a refusal with this code is proof that the order does not live.

    A business refusal (HTTP 200) is; at an HTTP error only a code known to be refused at the door is.
    """
    code = CODES.get(msg_cd)
    if code is not None:
        return code.order == "not placed"
    return status < 400 and bool(msg_cd)
