"""N02: completion of verbs, options, stock codes and Korean names, through IPython's own
completer."""

import inspect

import pytest
from IPython.core.completer import provisionalcompleter

from kisnb.session.blocking import Blocking
from kisnb.session.session import Session


@pytest.fixture
def complete(ip):
    def answer(text: str) -> list[str]:
        """What the completer offers at ``|``, as the line would read then."""
        cursor = text.index("|")
        whole = text.replace("|", "")
        with provisionalcompleter():
            found = list(ip.Completer.completions(whole, cursor))
        return [whole[: c.start] + c.text for c in found]

    return answer


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%kis qu|", "%kis quote"),
        ("%kis |", "%kis help"),
        ("x = %kis dep|", "x = %kis depth"),
        ("%kis open s|", "%kis open sim"),
        ("%kis open sim --s|", "%kis open sim --seed"),
        ("%kis buy 005930 1 --ag|", "%kis buy 005930 1 --again"),
        ("%kis quote 00593|", "%kis quote 005930"),
        ("%kis quote 삼성전|", "%kis quote 005930"),
        ("%kis quote ㅅㅅㅈㅈ|", "%kis quote 005930"),
        ("%kis agents st|", "%kis agents start"),
        ("%kis agents start vol|", "%kis agents start volume_trigger"),
        (
            "%kis agents start volume_trigger --code 00|",
            "%kis agents start volume_trigger --code 000660",
        ),
        ("%kis agents start volume_trigger --q|", "%kis agents start volume_trigger --qty"),
        ("%kis quote 005930 --venue |", "%kis quote 005930 --venue NXT"),
        ("%kis depth 005930 --venue N|", "%kis depth 005930 --venue NXT"),
        ("%kis until cl|", "%kis until close"),
        ("%kis help unt|", "%kis help until"),
        ("%%kis\nbuy 00593|", "%%kis\nbuy 005930"),
        ("가나 = 1\n%kis quote 삼성전|", "가나 = 1\n%kis quote 005930"),
    ],
)
def test_n02_completion_offers_what_may_follow(complete, typed, offered):
    assert offered in complete(typed)


def test_n02_the_name_of_each_code_is_shown_beside_it(ip):
    with provisionalcompleter():
        found = {c.text: c.type for c in ip.Completer.completions("%kis quote 삼성전자", 14)}
    assert found["005930"] == "삼성전자"


def test_n02_options_are_offered_once(complete):
    assert "%kis buy 005930 1 --again --again" not in complete("%kis buy 005930 1 --again --a|")


def test_python_is_completed_as_before(complete):
    assert "import json" in complete("import js|")
    assert all("kis" not in text for text in complete("pri|"))


def test_n02_no_desk_is_needed_and_nothing_breaks_on_the_way(complete):
    for text in (
        "%kis nonsense |",
        "%kis buy 'unclosed |",
        "%kis agents start x --qty |",
        "%kis cancel |",
        "%kis -|",
    ):
        complete(text)


def test_help_names_each_option_of_an_order():
    for call in (
        Session.buy,
        Session.sell,
        Session.route_of,
        Blocking.buy,
        Blocking.sell,
        Blocking.route_of,
    ):
        assert list(inspect.signature(call).parameters)[-6:] == [
            "venue",
            "kind",
            "stop",
            "requote",
            "key",
            "again",
        ]
