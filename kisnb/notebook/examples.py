"""The example notebooks: where they are, and a copy of them for a person's own folder."""

from __future__ import annotations

import shutil
from pathlib import Path


def example_notebooks() -> Path:
    """Return the folder of the example notebooks: the wheel's, or that of the source tree."""
    packaged = Path(__file__).with_name("example_notebooks")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "notebooks"


def copy_examples(folder: Path) -> list[Path]:
    """Copy the example notebooks into ``folder`` when it is empty; return the copies.

    A folder that holds anything but hidden files belongs to a person: nothing is copied then.
    """
    if any(not entry.name.startswith(".") for entry in folder.iterdir()):
        return []
    return [
        Path(shutil.copy(notebook, folder))
        for notebook in sorted(example_notebooks().glob("*.ipynb"))
    ]
