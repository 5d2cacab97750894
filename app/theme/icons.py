"""Icons by meaning, from the Phosphor font that ships inside qtawesome; loaded on first use."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtGui import QIcon

from app.theme.style import current

NAMES = {
    "overview": "ph.gauge",
    "data": "ph.database",
    "features": "ph.columns",
    "experiments": "ph.flask",
    "evaluation": "ph.chart-line-up",
    "approvals": "ph.pen-nib",
    "releases": "ph.package",
    "monitoring": "ph.activity",
    "lineage": "ph.tree-structure",
    "governance": "ph.scales",
    "search": "ph.magnifying-glass",
    "theme": "ph.circle-half",
    "refresh": "ph.arrow-clockwise",
    "close": "ph.x",
    "table": "ph.table",
    "menu": "ph.dots-three",
    "copy": "ph.copy",
    "export": "ph.download-simple",
    "keys": "ph.keyboard",
    "lock": "ph.lock",
    "verify": "ph.shield-check",
    "play": "ph.play",
    "empty": "ph.stack",
    "error": "ph.warning",
    "jobs": "ph.list-bullets",
}


@lru_cache(maxsize=256)
def _coloured(name: str, colour: str, active: str) -> QIcon:
    import qtawesome

    return qtawesome.icon(NAMES[name], color=colour, color_on=active, color_active=active, color_selected=active)


def icon(name: str, colour: str | None = None, active: str | None = None) -> QIcon:
    """The icon for a meaning, in the theme's muted ink unless told otherwise."""
    palette = current()
    ink = colour or palette.muted
    return _coloured(name, ink, active or ink)
