"""Reading a project file whole: text, schema and sense, with every problem at its line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from core.kernel.digests import digest_bytes
from core.kernel.errors import InputError, NotFound, Problem
from core.project.document import Document
from core.project.explain import explain
from core.project.python_tables import missing_functions
from core.project.rules import rule_problems
from core.project.schema import Project
from core.project.semantics import semantic_problems
from core.project.source_rules import file_of
from core.project.yaml_text import MAX_BYTES, Path_, read_yaml

FILE_NAME = "plimsoll.yaml"


@dataclass(frozen=True)
class LoadedProject:
    """A valid project with its text. ``digest`` is of the file's bytes, ``lines`` of each path in it."""

    project: Project
    path: Path
    text: str
    digest: str
    lines: Mapping[Path_, int]

    @property
    def folder(self) -> Path:
        """Where relative paths of the project start."""
        return self.path.parent

    def place(self, dotted_path: str) -> str:
        """``plimsoll.yaml:14`` for a dotted path such as ``features.views.weather.join``."""
        return Document(None, self.lines, self.path.name).place(dotted_path.split("."))


def load_project(path: Path) -> LoadedProject:
    """Read and validate the project file at ``path`` (or ``plimsoll.yaml`` in that folder).

    Raises:
        NotFound: when there is no such file.
        InputError: with every problem of the file, each with file, line, what was expected, what to do.
    """
    file = project_file(path)
    return parse_project(_text_of(file), file)


def parse_project(text: str, path: Path) -> LoadedProject:
    """Validate a project's text; ``path`` is where it comes from. Raises as :func:`load_project`."""
    project, lines, problems = _examine(text, path)
    if project is None or problems:
        raise InputError(
            f"{path.name} has {len(problems)} problem{'s' if len(problems) > 1 else ''}",
            where=str(path),
            problems=problems,
        )
    return LoadedProject(project, path, text, digest_bytes(text.encode()), MappingProxyType(dict(lines)))


def check_project(path: Path) -> list[Problem]:
    """Every problem of a project file, and of the source files that it names. Empty for a sound one."""
    try:
        file = project_file(path)
        text = _text_of(file)
    except InputError as error:
        return list(error.problems) or [Problem(error.headline, error.where, error.detail, error.remedy)]
    project, lines, problems = _examine(text, file)
    if project is not None:
        doc = Document(None, lines, file.name)
        problems += [*missing_sources(project, file.parent, doc), *missing_functions(project, file.parent, doc)]
    return sorted(problems, key=_line_of)


def project_file(path: Path) -> Path:
    """The project file meant by ``path``, absolute.

    Raises:
        NotFound: when it is not there.
    """
    file = (path / FILE_NAME if path.is_dir() else path).absolute()
    if not file.is_file():
        raise NotFound(
            f"There is no {file.name} here",
            where=str(file.parent),
            remedy="Make one: plimsoll init DIR --example blank",
        )
    return file


def missing_sources(project: Project, folder: Path, doc: Document) -> list[Problem]:
    """Files that sources name and that are not there."""
    return [
        doc.problem(
            ("sources", name, "path" if source.path else "url"),
            f"There is no {'folder' if source.kind == 'folder' else 'file'} {path!r}",
            remedy="Correct the path" if source.path else "Correct the address",
        )
        for name, source in project.sources.items()
        if (path := source.path or file_of(source.url)) and not _source_exists(path, folder)
    ]


def _source_exists(path: str, folder: Path) -> bool:
    if not path.startswith("package:"):
        return (folder / path).exists()
    package, _, inside = path.removeprefix("package:").partition("/")
    try:
        found = find_spec(package.split(".")[0])  # finds without importing
    except ValueError:
        return False
    places = found.submodule_search_locations if found else None
    return any((Path(place) / inside).is_file() for place in places or ())


def _text_of(file: Path) -> str:
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise InputError(f"{file.name} is too large", where=str(file), detail=f"{size:,} bytes; at most {MAX_BYTES:,}")
    data = file.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{file.name} is not UTF-8 text", where=f"{file.name}:{line}") from error


def _examine(text: str, path: Path) -> tuple[Project | None, Mapping[Path_, int], list[Problem]]:
    read = read_yaml(text, path.name)
    if not isinstance(read.value, dict):
        empty = Problem("The file holds no project", path.name, "a mapping that starts with 'plimsoll: 1'")
        return None, read.lines, read.problems or [empty]
    doc = Document(read.value, read.lines, path.name)
    problems, project = list(read.problems), None
    try:
        project = Project.model_validate(read.value)
    except ValidationError as error:
        problems += explain(error, doc.place)
    problems += semantic_problems(doc) + rule_problems(doc)
    return project, read.lines, sorted(dict.fromkeys(problems), key=_line_of)


def _line_of(problem: Problem) -> int:
    tail = problem.where.rsplit(":", 1)[-1]
    return int(tail) if tail.isdigit() else 0
