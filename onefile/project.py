"""What pyproject.toml says of this project, as far as the single file needs it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

CLIENT = "databento"


@dataclass(frozen=True)
class Project:
    """The project at `root`: its packages, and what it requires."""

    root: Path
    name: str
    version: str
    summary: str
    requires_python: str
    requirements: tuple[str, ...]
    packages: tuple[str, ...]
    scripts: tuple[tuple[str, str], ...]

    def without_databento(self) -> tuple[str, ...]:
        """What is required when Databento's client is not."""
        return tuple(one for one in self.requirements if requirement_name(one) != CLIENT)

    def metadata(self) -> dict[str, str]:
        """The files of a `.dist-info` directory, by name: who asks what is installed finds us there."""
        required = "".join(f"Requires-Dist: {one}\n" for one in self.requirements)
        scripts = "".join(f"{name} = {target}\n" for name, target in self.scripts)
        return {
            "METADATA": f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
            f"Summary: {self.summary}\nRequires-Python: {self.requires_python}\n{required}",
            "WHEEL": "Wheel-Version: 1.0\nGenerator: zipapp.py\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "INSTALLER": "zipapp.py\n",
            "entry_points.txt": f"[console_scripts]\n{scripts}",
        }


def requirement_name(text: str) -> str:
    """The normalised name of the package in a requirement."""
    found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", text)
    assert found is not None, text
    return re.sub(r"[-_.]+", "-", found[1]).lower()


def read_project(root: Path) -> Project:
    """The project whose pyproject.toml is in `root`."""
    document = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    about = document["project"]
    return Project(
        root=root,
        name=about["name"],
        version=about["version"],
        summary=about["description"],
        requires_python=about["requires-python"],
        requirements=tuple(about["dependencies"]),
        packages=tuple(document["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]),
        scripts=tuple(about["scripts"].items()),
    )
