"""The table of commands. Menus, palette, key sheet and shortcuts all read it; the window binds the doing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One thing the window can do. ``page`` names the page on which it works; none means everywhere."""

    id: str
    title: str
    group: str
    keys: tuple[str, ...] = ()
    page: str = ""
    words: str = ""


@dataclass(frozen=True)
class PageEntry:
    """One page in the rail. ``module`` is imported when the page is first shown."""

    id: str
    title: str
    module: str
    about: str


PAGES = (
    PageEntry("overview", "Overview", "app.pages.overview.view", "The loop at a glance"),
    PageEntry("data", "Data", "app.pages.data.view", "Snapshots, profiles and validation"),
    PageEntry("features", "Features", "app.pages.features.view", "Definitions, freshness, parity and usage"),
    PageEntry("experiments", "Experiments", "app.pages.experiments.view", "Training runs and their curves"),
    PageEntry("evaluation", "Evaluation", "app.pages.evaluation.view", "Quality, calibration, slices and gates"),
    PageEntry("approvals", "Approvals", "app.pages.approvals.view", "Releases that wait for a signature"),
    PageEntry("releases", "Releases", "app.pages.releases.view", "What was proposed, signed and pushed where"),
    PageEntry("monitoring", "Monitoring", "app.pages.monitoring.view", "Quality, drift and objectives in production"),
    PageEntry("lineage", "Lineage", "app.pages.lineage.view", "What was made from what"),
    PageEntry("governance", "Governance", "app.pages.governance.view", "The ledger and its people"),
)


def page_key(number: int) -> str:
    """The shortcut of the page at a place in the rail, counted from 1; the tenth has the 0."""
    return f"Ctrl+{number % 10}"


COMMANDS = (
    *(
        Command(f"go.{page.id}", f"Go to {page.title}", "Navigate", (page_key(number),), words=page.about)
        for number, page in enumerate(PAGES, 1)
    ),
    Command("palette", "Command palette", "Window", ("Ctrl+K", "Ctrl+Shift+P"), words="search find run"),
    Command("keys", "Keyboard shortcuts", "Window", ("?",), words="help keys cheat sheet"),
    Command("refresh", "Refresh this page", "Window", ("F5", "Ctrl+R"), words="reload update"),
    Command("filter", "Filter the list of this page", "Window", ("Ctrl+F",), words="search find narrow"),
    Command("theme", "Switch between light and dark", "Window", ("Ctrl+Shift+L",), words="colours theme dark light"),
    Command("theme.system", "Follow the system's light or dark", "Window", words="colours theme"),
    Command("rail", "Show or hide the names in the rail", "Window", ("Ctrl+B",), words="sidebar navigation"),
    Command("jobs", "Show jobs", "Window", ("Ctrl+J",), words="progress cancel running"),
    Command("layout.reset", "Reset layout", "Window", words="geometry panels default"),
    Command("message.close", "Dismiss the message", "Window", ("Ctrl+Backspace",), words="error close"),
    Command("quit", "Quit", "Window", ("Ctrl+Q",), words="exit close"),
    Command("approvals.sign", "Approve and sign this release", "Approvals", ("Ctrl+Return",), page="approvals"),
    Command("approvals.reject", "Reject this release", "Approvals", page="approvals"),
    Command("lineage.fit", "Fit the graph to the window", "Lineage", ("Ctrl+Shift+F",), page="lineage"),
    Command("lineage.table", "Show the graph as a table", "Lineage", ("Ctrl+T",), page="lineage"),
    Command("governance.verify", "Verify the ledger", "Governance", ("Ctrl+Shift+V",), words="hash chain audit"),
)


def command(name: str) -> Command:
    """The command with this id; KeyError when there is none."""
    for entry in COMMANDS:
        if entry.id == name:
            return entry
    raise KeyError(name)


def page_entry(name: str) -> PageEntry:
    """The page with this id; KeyError when there is none."""
    for entry in PAGES:
        if entry.id == name:
            return entry
    raise KeyError(name)
