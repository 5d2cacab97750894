"""Which paths a package may hold: plain relative names that mean the same file on every system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from core.kernel.errors import Problem

MAX_PATH = 240
MAX_DEPTH = 8
RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$")


def path_complaint(path: str) -> str | None:
    """Why ``path`` may not be in a package; None when it may."""
    if not path or len(path.encode("utf-8", "surrogatepass")) > MAX_PATH:
        return "the name is empty or too long"
    if path.startswith("/") or re.match(r"^[A-Za-z]:", path):
        return "the path is absolute"
    if "\\" in path or "\0" in path:
        return "the name holds a backslash or a NUL"
    parts = path.split("/")
    if len(parts) > MAX_DEPTH:
        return f"the path is more than {MAX_DEPTH} folders deep"
    return next((why for part in parts if (why := part_complaint(part))), None)


def part_complaint(part: str) -> str | None:
    """Why one component of a path is not acceptable."""
    if part == "..":
        return "the path climbs out with .."
    if part in ("", "."):
        return "the path has an empty component"
    if part.startswith("."):
        return "the file is hidden"
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn") for letter in part):
        return "the name holds control or invisible characters"
    if any(letter in '<>:"|?*' for letter in part) or part[-1] in ". " or RESERVED.match(part):
        return "the name is reserved on some systems"
    if unicodedata.normalize("NFC", part) != part:
        return "the name is not in Unicode normal form C"
    return None


def folded(path: str) -> str:
    """What a file system that ignores case and composition takes the path for."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def path_problems(paths: Iterable[str]) -> Iterator[Problem]:
    """Every complaint about a list of paths: bad names, repeats, case collisions, a file used as a folder."""
    seen: dict[str, str] = {}
    folders: set[str] = set()
    for path in paths:
        if why := path_complaint(path):
            yield Problem(why, where=repr(path))
            continue
        key = folded(path)
        if key in seen:
            same = "it occurs twice" if seen[key] == path else f"it collides with {seen[key]!r} when case is ignored"
            yield Problem(same, where=repr(path))
        seen[key] = path
        parts = key.split("/")
        folders.update("/".join(parts[:end]) for end in range(1, len(parts)))
    for key in sorted(folders & seen.keys()):
        yield Problem("it is a file and also a folder", where=repr(seen[key]))
