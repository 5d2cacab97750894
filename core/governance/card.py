"""The model card: generated facts, and the words of people in one block of their own.

Sections follow Mitchell et al. 2019, "Model Cards for Model Reporting". The prose between the two
marks is kept when the facts are rendered again; an edit outside the marks is lost on purpose.
"""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from core.governance.audit import interval
from core.governance.markdown import plain
from core.governance.records import CardFacts
from core.kernel.errors import InputError

BEGIN = "<!-- prose: begin. Edit between these two marks; everything else is generated. -->"
END = "<!-- prose: end -->"
HEADINGS = ("Intended use", "Out of scope", "Known limitations", "Ethical considerations", "Maintenance")
NOT_PROVIDED = "*Not provided.*"


def empty_prose() -> str:
    """The block that nobody has filled in yet: each heading says so."""
    return "\n\n".join(f"### {heading}\n\n{NOT_PROVIDED}" for heading in HEADINGS)


def render_card(facts: CardFacts, prose: str = "") -> str:
    """The card as Markdown. Same facts and prose, same bytes.

    Raises:
        InputError: when the prose holds one of the marks that fence it.
    """
    words = prose.strip() or empty_prose()
    if BEGIN in words or END in words:
        raise InputError("The prose holds one of the marks that fence it", remedy="Remove the mark from the text.")
    template = _environment().from_string(
        (files("resources") / "templates" / "model_card.md.j2").read_text(encoding="utf-8")
    )
    return template.render(facts=facts, prose=words, begin=BEGIN, end=END, missing=NOT_PROVIDED).rstrip() + "\n"


def read_prose(card: str) -> str:
    """The block of people's words in an edited card.

    Raises:
        InputError: when a mark is missing, repeated or out of order.
    """
    if card.count(BEGIN) != 1 or card.count(END) != 1 or card.index(BEGIN) > card.index(END):
        raise InputError(
            "The card has lost the marks around its editable block",
            remedy="Render the card again and put your text between the two marks.",
        )
    return card.split(BEGIN)[1].split(END)[0].strip()


def missing_prose(prose: str) -> list[str]:
    """Headings that nobody has filled in, for the checklist."""
    parts = {part.split("\n", 1)[0].strip(): part.partition("\n")[2].strip() for part in f"\n{prose}".split("\n### ")}
    return [heading for heading in HEADINGS if parts.get(heading, "") in ("", NOT_PROVIDED)]


def _environment() -> Environment:
    made = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, autoescape=False)
    made.filters["plain"] = plain
    made.filters["interval"] = interval
    made.filters["share"] = lambda value: "—" if value is None else f"{value:.1%}".replace("%", " %")
    made.filters["count"] = lambda value: f"{value:,}"
    return made
