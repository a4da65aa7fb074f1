"""Tokens, keys and rate of the simulated gateway, as KIS states and clients have observed them."""

from datetime import date

from kisnb.clock import DAY as ONE_DAY
from kisnb.clock import MINUTE, SECOND
from kisnb.simulator.host.core import Core
from kisnb.simulator.host.personas import LIVE

from .customer import KEYS, SAMSUNG, Customer, host

PRICE = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": SAMSUNG}


def customer(core: Core | None = None) -> Customer:
    one = Customer(core or host())
    one.log_in()
    return one


def codes(one: Customer, n: int) -> list[str]:
    return [one.said(one.ask("inquire_price", PRICE))["msg_cd"] for _ in range(n)]


def test_a_second_token_within_a_minute_is_refused_in_the_other_shape() -> None:
    one = customer()
    reply = one.oauth("token")
    assert reply.status == 403
    assert one.said(reply)["error_code"] == "EGW00133"


def test_within_six_hours_the_same_token_is_given_again_and_then_a_new_one() -> None:
    one = customer()
    one.core.advance(one.core.now + 61 * SECOND)
    assert one.said(one.oauth("token"))["access_token"] == one.token
    one.core.advance(one.core.now + 6 * 60 * MINUTE)
    assert one.said(one.oauth("token"))["access_token"] != one.token


def test_a_token_says_when_it_ends_and_then_has_ended() -> None:
    one = Customer(host())
    said = one.said(one.oauth("token"))
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 86_400)
    assert said["access_token_token_expired"] == "2026-11-21 09:00:30"
    one.token = said["access_token"]
    one.core.advance(one.core.now + ONE_DAY)
    reply = one.ask("inquire_price", PRICE)
    assert (reply.status, one.said(reply)["msg_cd"]) == (500, "EGW00123")


def test_a_revoked_token_is_worth_nothing() -> None:
    one = customer()
    assert one.said(one.oauth("revoke_token", token=one.token))["code"] == 200
    assert codes(one, 1) == ["EGW00121"]


def test_wrong_keys_get_no_token_and_no_approval() -> None:
    one = Customer(host())
    for name, secret in (("token", "appsecret"), ("approval", "secretkey")):
        wrong_key, wrong_secret = one.oauth(name, appkey="x"), one.oauth(name, **{secret: "x"})
        assert (wrong_key.status, one.said(wrong_key)["error_code"]) == (403, "EGW00103")
        assert (wrong_secret.status, one.said(wrong_secret)["error_code"]) == (403, "EGW00105")


def test_a_call_needs_a_bearer_token_and_both_keys() -> None:
    one = customer()
    for headers, code in (
        ({"authorization": KEYS.appkey.reveal()}, "EGW00205"),
        ({"authorization": "Bearer nonsense"}, "EGW00121"),
        ({"appkey": ""}, "EGW00102"),
        ({"appsecret": "x"}, "EGW00105"),
    ):
        reply = one.ask("inquire_price", PRICE, **headers)
        assert (reply.status, one.said(reply)["msg_cd"]) == (500, code)


def test_the_nineteenth_call_within_a_second_is_refused_and_the_window_slides() -> None:
    one = customer()
    assert codes(one, 19) == ["MCA00000"] * 18 + ["EGW00201"]
    one.core.advance(one.core.now + SECOND - 1)
    assert codes(one, 1) == ["EGW00201"]
    one.core.advance(one.core.now + 1)
    assert codes(one, 19) == ["MCA00000"] * 18 + ["EGW00201"]


def test_the_rate_is_that_of_the_day() -> None:
    assert [LIVE.rate(date(2026, 4, day)) for day in (19, 20)] == [20, 18]


def test_one_approval_key_a_second_and_each_sets_up_a_connection_for_a_day() -> None:
    one = customer()
    one.core.free_running = True
    said = one.oauth("approval")
    assert (said.status, one.said(said)["msg_cd"]) == (500, "EGW00201")
    one.connect()
    assert one.subscribe("H0STCNT0", SAMSUNG).msg_cd == "OPSP0000"
    one.core.advance(one.core.now + ONE_DAY)
    one.taken()
    assert one.subscribe("H0STASP0", SAMSUNG).msg_cd == "OPSP0000"
    one.core.socket_closed(one.core.now, 1)
    one.connect(2)
    assert one.subscribe("H0STCNT0", SAMSUNG, sid=2).msg_cd == "OPSP0011"


def test_a_hash_key_needs_keys_and_no_token_and_tells_bodies_apart() -> None:
    one = Customer(host())
    headers = {"appkey": KEYS.appkey.reveal(), "appsecret": KEYS.appsecret.reveal()}
    first, second = (
        one.said(one.call("POST", "/uapi/hashkey", headers, {"ORD_QTY": n})) for n in "12"
    )
    assert first["BODY"] == {"ORD_QTY": "1"}
    assert first["HASH"] != second["HASH"]
    assert one.said(one.call("POST", "/uapi/hashkey", {}, {}))["msg_cd"] == "EGW00102"


def test_tokens_may_print_their_end_by_the_clock_on_the_wall() -> None:
    """Clients compare it with their own clock, on which a simulated day is over."""
    one = Customer(host())
    one.core.print_tokens_ahead(one.core.now + 3 * ONE_DAY)
    said = one.said(one.oauth("token"))
    assert (said["access_token_token_expired"], said["expires_in"]) == (
        "2026-11-24 09:00:30",
        86_400,
    )


def test_a_second_slash_in_the_path_is_as_good_as_one() -> None:
    one = customer()
    reply = one.call(
        "GET",
        "//uapi/domestic-stock/v1/quotations/inquire-price",
        one.headers("FHKST01010100"),
        PRICE,
    )
    assert one.said(reply)["rt_cd"] == "0"
