"""Codes of KIS's gateway and query server, and those of success.

Source: KIS's published table of gateway codes (EGW, OPSQ), and replies that clients have received.
"""

from __future__ import annotations

from kisnb.kis.codes.code import CHECK_ORDERS, HOST, KEYS, MAYBE, REPORT, WAIT, Code

DONE: dict[str, Code] = {
    "MCA00000": Code("정상처리 되었습니다.", "done"),
    # KIS has sent the order on, no more. A refusal of the exchange still comes as a notice with
    # RFUS_YN 1 (workbook; a client's recording).
    "APBK0013": Code(
        "주문 전송 완료 되었습니다.", "the order was sent on; the exchange has not answered yet"
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
    # Clients have received 40600000 and 40630000. The codes of sell and revise follow by analogy
    # (uncertain).
    "40600000": Code("모의투자 매수주문이 완료 되었습니다.", "paper buy done"),
    "40610000": Code("모의투자 매도주문이 완료 되었습니다.", "paper sell done"),
    "40620000": Code("모의투자 정정주문이 완료 되었습니다.", "paper revise done"),
    "40630000": Code("모의투자 취소주문이 완료 되었습니다.", "paper cancel done"),
    "20310000": Code("모의투자 조회가 완료되었습니다.", "done"),
    "20312000": Code("모의투자 조회가 계속됩니다.", "done; more pages follow"),
    "KIOK0500": Code("조회가 계속됩니다..다음버튼을 Click 하십시오.", "done; more pages follow"),
    "KIOK0560": Code("조회할 내용이 없습니다", "nothing to show"),
}
"""Values of ``msg_cd`` of calls that went well.

``rt_cd`` alone says whether a call went well; ``msg_cd`` only adds to it.
"""
GATEWAY: dict[str, Code] = {
    "EGW00001": Code("일시적 오류가 발생했습니다.", "temporary error", WAIT, MAYBE),
    "EGW00002": Code("서버 에러가 발생했습니다.", "server error", WAIT, MAYBE),
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
    "EGW00101": Code("유효하지 않은 요청입니다.", "invalid request", REPORT),
    "EGW00102": Code("AppKey는 필수입니다.", "appkey missing", KEYS),
    "EGW00103": Code("유효하지 않은 AppKey입니다.", "invalid appkey", KEYS),
    "EGW00104": Code("AppSecret은 필수입니다.", "appsecret missing", KEYS),
    "EGW00105": Code("유효하지 않은 AppSecret입니다.", "invalid appsecret", KEYS),
    "EGW00115": Code("grant_type은 필수입니다.", "grant_type missing", REPORT),
    "EGW00116": Code("지원하지 않는 grant_type입니다.", "grant_type not supported", REPORT),
    "EGW00117": Code("지원하지 않는 token_type입니다.", "token_type not supported", REPORT),
    "EGW00121": Code(
        "유효하지 않은 token 입니다.", "invalid token", "ask again; kisnb fetches a new token"
    ),
    "EGW00122": Code(
        "token을 찾을 수 없습니다.", "token not found", "ask again; kisnb fetches a new token"
    ),
    "EGW00123": Code(
        "기간이 만료된 token 입니다.", "token expired", "ask again; kisnb fetches a new token"
    ),
    "EGW00131": Code("유효하지 않은 hashkey입니다.", "invalid hashkey", REPORT),
    "EGW00132": Code("유효하지 않은 Content-Type입니다.", "invalid Content-Type", REPORT),
    # This code comes with HTTP 403, under ``error_code`` instead of ``msg_cd`` (README of KIS's
    # samples).
    "EGW00133": Code(
        "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)", "one token a minute", "wait a minute"
    ),
    # There are two limits. This code belongs to the gateway's limit for each appkey, EGW00215 to
    # the limit of the ledger behind it. Calls about an account exceed the ledger's limit even below
    # the gateway's (replies to clients).
    "EGW00201": Code(
        "초당 거래건수를 초과하였습니다.", "more calls in a second than the appkey may make", WAIT
    ),
    "EGW00202": Code(
        "GW라우팅 중 오류가 발생했습니다.", "gateway routing error", CHECK_ORDERS, MAYBE
    ),
    "EGW00203": Code("OPS라우팅 중 오류가 발생했습니다.", "routing error", CHECK_ORDERS, MAYBE),
    "EGW00205": Code(
        "credentials_type이 유효하지 않습니다.(Bearer)", "the token is not sent as Bearer", REPORT
    ),
    "EGW00206": Code(
        "API 사용 권한이 없습니다.", "no right to use this API", "apply for it at KIS"
    ),
    "EGW00207": Code(
        "IP 주소가 없거나 유효하지 않습니다.",
        "IP address missing or invalid",
        "corporate accounts register their address at KIS",
    ),
    "EGW00208": Code("고객유형(custtype)이 유효하지 않습니다.", "custtype invalid", REPORT),
    "EGW00209": Code("일련번호(seq_no)가 유효하지 않습니다.", "seq_no invalid", REPORT),
    "EGW00210": Code(
        "법인고객의 경우 모의투자를 이용할 수 없습니다.",
        "no paper for corporate customers",
        "use live or sim",
    ),
    "EGW00213": Code("모의투자 TR이 아닙니다.", "not available in paper", "use live or sim for it"),
    "EGW00215": Code(
        "원장에서 허용 가능한 초당 거래건수를 초과하였습니다.",
        "more calls in a second than the ledger takes",
        WAIT,
    ),
    "EGW00300": Code(
        "GW라우팅 중 오류가 발생했습니다.", "gateway routing error", CHECK_ORDERS, MAYBE
    ),
    # Both timeouts ask to check the last transaction: the ledger may have the order.
    "EGW00301": Code(
        "연결 시간이 초과되었습니다. 직전 거래를 반드시 확인하세요.",
        "connect timeout",
        CHECK_ORDERS,
        MAYBE,
    ),
    "EGW00302": Code(
        "거래시간이 초과되었습니다. 직전 거래를 반드시 확인하세요.",
        "transaction timeout",
        CHECK_ORDERS,
        MAYBE,
    ),
    "EGW00303": Code(
        "허용되지 않은 IP에서 호출하였습니다.",
        "IP address not allowed",
        "register this address at KIS",
    ),
    "EGW00304": Code("고객식별키가 유효하지 않습니다.", "customer key invalid", KEYS),
    "EGW00316": Code(
        "조회 처리 중 오류 발생하였습니다. 재 조회 수행 부탁드립니다.",
        "error while looking it up",
        WAIT,
        MAYBE,
    ),
    # Live and paper have hosts, keys and TR ids of their own. These three codes say which of them
    # do not belong together.
    "EGW02004": Code("실전투자 TR 이 아닙니다.", "a paper key or paper TR at the live host", HOST),
    "EGW02006": Code(
        "모의투자 TR 이 아닙니다.", "this call does not exist in paper", "use live or sim for it"
    ),
    "EGW02007": Code(
        "실전투자 appkey로 모의투자를 호출하였습니다.", "a live appkey at the paper host", HOST
    ),
    "IGW00009": Code(
        "응답 전문 구성 중 오류가 발생하였습니다.",
        "error while composing the reply",
        CHECK_ORDERS,
        MAYBE,
    ),
}
"""Codes of the gateway: it refused the call, or lost it on the way."""
QUERY_SERVER: dict[str, Code] = {
    "OPSQ0001": Code("전처리 오류", "pre-processing error", WAIT),
    "OPSQ0002": Code("없는 서비스 코드 입니다.", "unknown TR id", REPORT),
    "OPSQ0003": Code("호출 오류", "call error", WAIT, MAYBE),
    "OPSQ0008": Code("MCI 전송 오류", "send error inside KIS", WAIT, MAYBE),
    "OPSQ0009": Code("MCI 수신 오류", "receive error inside KIS", WAIT, MAYBE),
    "OPSQ1002": Code("세션 연결 오류", "session full", WAIT),
    "OPSQ2000": Code(
        "ERROR : INPUT INVALID_CHECK_ACNO",
        "wrong account number",
        "check the account in your configuration",
    ),
    "OPSQ2001": Code("ERROR : INPUT FIELD NOT FOUND", "a parameter is missing or wrong", REPORT),
    "OPSQ2002": Code("ERROR : INPUT INVALID_CHECK_FIELD_LENGTH", "a parameter is too long", REPORT),
    "OPSQ9995": Code("body를 찾을 수 없습니다.", "no body", REPORT),
    "OPSQ9996": Code("header를 찾을 수 없습니다.", "no header", REPORT),
    "OPSQ9997": Code("json 형식이 아닙니다.", "no JSON", REPORT),
    "OPSQ9998": Code("seq_no를 찾을 수 없습니다.", "no seq_no", REPORT),
    "OPSQ9999": Code("tr_id를 찾을 수 없습니다.", "no tr_id", REPORT),
    "SYDB0050": Code(
        "조회이후에 자료가 변경되었습니다.(다시 조회하세요)",
        "the rows have changed since the first page",
        "ask again from the first page",
    ),
    "MCA05918": Code(
        "종목코드 오류입니다.", "wrong stock code", "write six characters, such as 005930"
    ),
}
"""Codes of the query server: it refused the call."""
