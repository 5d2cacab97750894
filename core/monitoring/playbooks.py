"""What to do about an incident: the steps for its kind, shown beside it."""

from __future__ import annotations

from importlib.resources import files

from core.kernel.errors import InputError
from core.kernel.records import Record
from core.monitoring.records import SignalKind


class Playbook(Record):
    """A title, why it matters, and the steps in order."""

    kind: SignalKind
    title: str
    about: str
    steps: list[str]


def playbook(kind: SignalKind) -> Playbook:
    """The shipped playbook of one kind of signal.

    Raises:
        InputError: when its file has no title or no steps.
    """
    text = (files("resources") / "playbooks" / f"{kind}.md").read_text(encoding="utf-8")
    return read_playbook(kind, text)


def read_playbook(kind: SignalKind, text: str) -> Playbook:
    """Markdown with one ``# title``, a paragraph, and numbered steps (one a line)."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    titles = [line[2:] for line in lines if line.startswith("# ")]
    steps = [line.split(". ", 1)[1] for line in lines if line[0].isdigit() and ". " in line]
    about = " ".join(line for line in lines if not line.startswith("# ") and not line[0].isdigit())
    if len(titles) != 1 or not steps:
        raise InputError(f"The playbook {kind} needs one title and numbered steps", where=f"playbooks/{kind}.md")
    return Playbook(kind=kind, title=titles[0], about=about, steps=steps)
