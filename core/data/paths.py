"""Where a source lies: in the project, anywhere on the machine, or inside an installed package."""

from __future__ import annotations

from importlib.machinery import PathFinder
from pathlib import Path, PurePosixPath

from core.kernel.errors import InputError

_PREFIX = "package:"


def resolve_path(path: str, project_dir: Path) -> Path:
    """The absolute path of a source. Packages are located without being imported.

    Raises:
        InputError: when it is not there, is a directory, or its package is not installed.
    """
    found = _in_package(path) if path.startswith(_PREFIX) else (project_dir / Path(path).expanduser())
    if not found.exists():
        raise InputError(
            "The source is not there",
            where=path,
            detail=f"Looked at {found}",
            remedy="Correct `path`, or add the file.",
        )
    if not found.is_file():
        raise InputError("The source is not a file", where=path, remedy="Name one file, not a directory or device.")
    return found.resolve()


def resolve_folder(path: str, project_dir: Path) -> Path:
    """The absolute path of a source that is a folder.

    Raises:
        InputError: when it is not there, or is a file.
    """
    found = _in_package(path) if path.startswith(_PREFIX) else (project_dir / Path(path).expanduser())
    if not found.is_dir():
        what = "is not a folder" if found.exists() else "is not there"
        raise InputError(f"The source {what}", where=path, detail=f"Looked at {found}", remedy="Correct `path`.")
    return found.resolve()


def resolve_files(path: str, project_dir: Path) -> Path:
    """The absolute path of a source that is kept as it is: a file or a folder. It may not be there.

    Raises:
        InputError: when its package is not installed.
    """
    found = _in_package(path) if path.startswith(_PREFIX) else (project_dir / Path(path).expanduser())
    return found.resolve()


def _in_package(path: str) -> Path:
    package, _, inside = path.removeprefix(_PREFIX).partition("/")
    parts = PurePosixPath(inside).parts
    if not package.isidentifier() or not parts or ".." in parts or inside.startswith("/"):
        raise InputError("This is not a path inside a package", where=path, remedy="Write package:NAME/FOLDER/FILE.")
    spec = PathFinder.find_spec(package)
    roots = list(spec.submodule_search_locations or []) if spec else []
    if not roots:
        raise InputError(
            f"The package {package} is not installed here",
            where=path,
            remedy=f"Install {package} into this environment, or copy the file into the project and name that.",
        )
    places = [Path(root, *parts) for root in roots]
    return next((place for place in places if place.exists()), places[0])
