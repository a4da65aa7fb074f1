"""The example notebooks: their folder, and a copy of them in a person's own folder."""

from __future__ import annotations

import shutil
from pathlib import Path


def example_notebooks() -> Path:
    """Return the folder of the example notebooks: in the wheel, or in the source tree."""
    packaged = Path(__file__).with_name("example_notebooks")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "notebooks"


def copy_examples(folder: Path) -> list[Path]:
    """Copy the example notebooks into ``folder`` if it is empty. Return the copies.

    Hidden files do not count. If the folder has any other file, nothing is copied, because the
    folder is a person's own.
    """
    if any(not entry.name.startswith(".") for entry in folder.iterdir()):
        return []
    return [
        Path(shutil.copy(notebook, folder))
        for notebook in sorted(example_notebooks().glob("*.ipynb"))
    ]
