"""N02: where `%kis` is awaited, and where it is left as it was."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from kisnb.notebook.kernel.transform import as_typed, await_magics


def transformed(cell: str) -> str:
    return await_magics(TransformerManager().transform_cell(cell))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("%kis quote 005930", "(await get_ipython().kis.line('quote 005930'))\n"),
        ("x = %kis quote 005930", "x = (await get_ipython().kis.line('quote 005930'))\n"),
        (
            "for i in r:\n    %kis quote 005930",
            "for i in r:\n    (await get_ipython().kis.line('quote 005930'))\n",
        ),
        (
            "try:\n    %kis help\nexcept E: pass",
            "try:\n    (await get_ipython().kis.line('help'))\nexcept E: pass\n",
        ),
        (
            "async def f():\n    %kis help",
            "async def f():\n    (await get_ipython().kis.line('help'))\n",
        ),
        (
            "%%kis\nbuy 1 1\nsell 1 1",
            "(await get_ipython().kis.cell('', 'buy 1 1\\nsell 1 1\\n'))\n",
        ),
    ],
)
def test_n02_awaited_where_python_lets_us(cell, expected):
    assert transformed(cell) == expected


def test_n02_korean_text_before_and_in_the_command():
    cell = (
        '이름 = "삼성전자"; 값 = 1\n호가 = %kis depth 삼성전자\n'
        'print("가", get_ipython().run_line_magic("kis", "quote {이름}"), "나")'
    )
    assert transformed(cell).splitlines() == [
        '이름 = "삼성전자"; 값 = 1',
        "호가 = (await get_ipython().kis.line('depth 삼성전자'))",
        'print("가", (await get_ipython().kis.line(\'quote {이름}\')), "나")',
    ]


@pytest.mark.parametrize(
    "cell",
    [
        "def f():\n    %kis quote 005930",
        "class C:\n    x = %kis quote 005930",
        "f = lambda: get_ipython().run_line_magic('kis', 'help')",
        "[get_ipython().run_line_magic('kis', 'help') for _ in range(2)]",
        "async def f():\n    def g():\n        %kis help",
        "%time %kis quote 005930",
        "%kisses",
        "print('%kis quote')",
        "kis = 1; broken = (",
        "get_ipython().run_line_magic('kis', text)",
    ],
)
def test_n02_cells_without_a_magic_are_left_as_they_are(cell):
    before = TransformerManager().transform_cell(cell)
    assert await_magics(before) == before


def test_a_closing_semicolon_silences_a_statement_but_never_an_assignment():
    assert transformed("%kis quote 005930;") == "(await get_ipython().kis.line('quote 005930;'))\n"
    assert (
        transformed("x = %kis quote 005930 ;")
        == "x = (await get_ipython().kis.line('quote 005930 '))\n"
    )


@given(
    before=st.text(alphabet="가나다xyz 'é\t#", max_size=12),
    command=st.text(alphabet="quote 삼성{}x'\"\\", max_size=20),
)
def test_n02_any_text_around_a_command_stays_as_it_is(before, command):
    cell = f"t = {before!r}\nx = get_ipython().run_line_magic('kis', {command!r})\ny = {before!r}\n"
    lines = await_magics(cell).splitlines(keepends=True)
    assert (lines[0], lines[2]) == (f"t = {before!r}\n", f"y = {before!r}\n")
    call = ast.parse(lines[1].removeprefix("x = (await ").removesuffix(")\n"), mode="eval").body
    assert isinstance(call, ast.Call)
    assert ast.literal_eval(call.args[0]) == command.rstrip().rstrip(";")


@pytest.mark.parametrize(
    "line",
    [
        "%kis panel",
        "x = %kis quote 삼성전자",
        "%kis halt it's late",
        '%kis halt "it\'s"',
        "await session.buy(1)",
    ],
)
def test_a04_a_blocking_line_is_named_as_it_was_typed(line):
    assert as_typed(transformed(line).strip()) == line
