"""What a person has who installs the wheel and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

from kisnb import __version__
from kisnb.cli import main
from kisnb.notebook.examples import copy_examples, example_notebooks
from kisnb.notebook.panels.libraries import LIBRARIES, VENDOR

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel of this tree, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return ZipFile(path)


def test_the_wheel_carries_every_example_notebook(wheel: ZipFile) -> None:
    carried = {
        Path(name).name for name in wheel.namelist() if "notebook/example_notebooks/" in name
    }
    assert carried == set(NOTEBOOKS)
    assert "kisnb/notebook/demo.py" in wheel.namelist()


def test_n04_the_wheel_carries_the_libraries_of_the_panels_with_their_licences(
    wheel: ZipFile,
) -> None:
    vendored = {path.name: path.read_bytes() for path in VENDOR.iterdir()}
    carried = {
        Path(name).name: wheel.read(name)
        for name in wheel.namelist()
        if name.startswith("kisnb/notebook/vendor/")
    }
    assert carried == vendored
    assert set(LIBRARIES.values()) < vendored.keys()
    licences = ["lightweight-charts-LICENSE", "lightweight-charts-NOTICE", "tabulator-LICENSE"]
    assert sorted(vendored.keys() - LIBRARIES.values()) == ["README.md", *licences]
    # A browser would look for the map, and for a module that the file imports.
    assert not any(b"sourceMappingURL" in text for text in vendored.values())


def test_an_empty_folder_gets_the_example_notebooks(tmp_path: Path) -> None:
    (tmp_path / ".hidden").touch()
    copies = copy_examples(tmp_path)
    assert [path.name for path in copies] == NOTEBOOKS
    assert copies[0].read_bytes() == (example_notebooks() / NOTEBOOKS[0]).read_bytes()


def test_a_folder_that_holds_something_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    assert copy_examples(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"kisnb {__version__}\n"
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == __version__


def test_dependencies_are_those_that_the_package_imports() -> None:
    """Nobody imports ``ipykernel``, which runs kernels, nor ``ipywidgets``, under anywidget."""
    imported = {
        line.split()[1].split(".")[0]
        for path in (ROOT / "kisnb").rglob("*.py")
        for line in map(str.strip, path.read_text("utf-8").splitlines())
        if line.startswith(("import ", "from "))
    }
    owners = packages_distributions()
    outside = {
        owners[module][0].lower() for module in imported & owners.keys() if module != "kisnb"
    }
    with (ROOT / "pyproject.toml").open("rb") as file:
        declared = {word.split(">=")[0] for word in tomllib.load(file)["project"]["dependencies"]}
    by_name = {"nest-asyncio"}
    assert declared - {name.replace("_", "-") for name in outside} - by_name == {
        "ipykernel",
        "ipywidgets",
    }
    only_for_types = {"typing_extensions"}
    beside_jupyter = {
        "jupyter_core",
        "jupyterlab",
        "jupyter_server",
        "tornado",
        "comm",
        "nbconvert",
    }
    assert {name for name in outside if name.replace("_", "-") not in declared} <= (
        beside_jupyter | only_for_types
    )


def test_on_windows_the_import_says_what_to_do() -> None:
    code = "import sys; sys.platform = 'win32'; import kisnb"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "ImportError: kisnb needs Linux or macOS; on Windows, run JupyterLab in WSL"
    )
