"""Codes of the WebSocket (OPSP). Source: KIS's table of WebSocket codes as clients reproduce it."""

from __future__ import annotations

from kisnb.kis.codes.code import KEYS, REPORT, WAIT, Code

STREAM: dict[str, Code] = {
    "OPSP0000": Code("SUBSCRIBE SUCCESS", "subscribed"),
    "OPSP0001": Code("UNSUBSCRIBE SUCCESS", "released"),
    # These two come with rt_cd 1 although the request was fulfilled.
    "OPSP0002": Code("ALREADY IN SUBSCRIBE", "subscribed already"),
    "OPSP0003": Code("UNSUBSCRIBE ERROR(not found!)", "was not subscribed"),
    # Its cause is not known (uncertain), so it is treated as one that may pass.
    "OPSP0007": Code("SUBSCRIBE INTERNAL ERROR", "internal error", WAIT),
    "OPSP0008": Code("MAX SUBSCRIBE OVER", "more than 41 subscriptions", "watch fewer stocks"),
    "OPSP0009": Code("SUBSCRIBE ERROR : mci send failed", "send error inside KIS", WAIT),
    "OPSP0010": Code("SUBSCRIBE WARNING : invalid appkey", "invalid appkey", KEYS),
    "OPSP0011": Code(
        "invalid approval : NOT FOUND", "unknown approval key", "kisnb fetches a new one"
    ),
    "OPSP8991": Code("SUBSCRIBE ERROR : invalid tr_id", "unknown channel", REPORT),
    "OPSP8992": Code(
        "SUBSCRIBE ERROR : invalid tr_key", "wrong code", "check the stock code or the HTS id"
    ),
    "OPSP8993": Code(
        "JSON PARSING ERROR : invalid tr_key", "wrong code", "check the stock code or the HTS id"
    ),
    "OPSP8994": Code(
        "JSON PARSING ERROR : personalseckey not found", "personalseckey missing", REPORT
    ),
    "OPSP8995": Code("JSON PARSING ERROR : appsecret not found", "appsecret missing", REPORT),
    # KIS takes one session an appkey. One that crashed may linger: a client waits 90 seconds for
    # it, so the cure says two minutes.
    "OPSP8996": Code(
        "ALREADY IN USE appkey",
        "another connection uses this appkey",
        "close the other program, or wait two minutes",
    ),
    "OPSP8997": Code("JSON PARSING ERROR : invalid tr_type", "wrong tr_type", REPORT),
    "OPSP8998": Code("JSON PARSING ERROR : invalid custtype", "wrong custtype", REPORT),
    "OPSP8999": Code(
        "resource not available (ALLOC_CALL_PARAM)", "KIS is short of resources", WAIT
    ),
    "OPSP9990": Code("JSON PARSING ERROR : tr_key not found", "tr_key missing", REPORT),
    "OPSP9991": Code("JSON PARSING ERROR : input not found", "input missing", REPORT),
    "OPSP9992": Code("JSON PARSING ERROR : body not found", "body missing", REPORT),
    "OPSP9993": Code("JSON PARSING ERROR : internal error", "internal error", WAIT),
    "OPSP9994": Code("JSON PARSING ERROR : INVALID appkey", "invalid appkey", KEYS),
    "OPSP9995": Code(
        "JSON PARSING ERROR : resource not available", "KIS is short of resources", WAIT
    ),
    "OPSP9996": Code("JSON PARSING ERROR : appkey", "appkey missing", KEYS),
    "OPSP9997": Code("JSON PARSING ERROR : custtype", "custtype missing", REPORT),
    "OPSP9998": Code("JSON PARSING ERROR : header not found", "header missing", REPORT),
    "OPSP9999": Code("JSON PARSING ERROR : invalid json format", "no JSON", REPORT),
}
