"""Applies a palette to the application: Fusion, QPalette, fonts, one style sheet."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory, QWidget

from app.theme.logo import logo_icon
from app.theme.palette import DARK, LIGHT, PALETTES, Palette
from app.theme.sheet import style_sheet

FAMILIES = ("Inter", "Noto Sans", "Cantarell", "Ubuntu", "Adwaita Sans", "Segoe UI", "DejaVu Sans")
FIXED = ("JetBrains Mono", "Noto Sans Mono", "Adwaita Mono", "Ubuntu Mono", "DejaVu Sans Mono")
WIDE = {"DejaVu Sans": 12}


class _Theme(QObject):
    """The palette in force; ``changed`` tells those that paint by themselves."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.palette: Palette = LIGHT
        self.family = "Sans Serif"
        self.fixed = "Monospace"
        self.size = 13
        self.dressed = False


_theme: _Theme | None = None


def theme() -> _Theme:
    """The one theme object (made on first use, on the GUI thread)."""
    global _theme
    if _theme is None:
        _theme = _Theme()
    return _theme


def current() -> Palette:
    """The palette in force."""
    return theme().palette


def resolve(choice: str) -> Palette:
    """``light``, ``dark`` or ``system``."""
    if choice in PALETTES:
        return PALETTES[choice]
    dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
    return DARK if dark else LIGHT


def apply(app: QApplication, choice: str) -> Palette:
    """Dress the whole application; returns the palette chosen."""
    state = theme()
    palette = resolve(choice)
    state.palette = palette
    _choose_fonts(app, state)
    if not state.dressed:
        app.setStyle(QStyleFactory.create("Fusion"))
        state.dressed = True
    app.setPalette(_qt_palette(palette))
    app.setStyleSheet(style_sheet(palette, state.size, state.fixed))
    app.setWindowIcon(logo_icon(palette.accent))
    state.changed.emit()
    return palette


def _choose_fonts(app: QApplication, state: _Theme) -> None:
    known = set(QFontDatabase.families())
    state.family = next((name for name in FAMILIES if name in known), app.font().family())
    state.fixed = next((name for name in FIXED if name in known), state.family)
    state.size = WIDE.get(state.family, 13)
    app.setFont(font(state.size))


def font(size: int | None = None, *, bold: bool = False, fixed: bool = False) -> QFont:
    """The interface font with tabular figures, ``size`` in pixels."""
    state = theme()
    made = QFont(state.fixed if fixed else state.family)
    made.setPixelSize(size or state.size)
    made.setFeature(QFont.Tag("tnum"), 1)
    if bold:
        made.setWeight(QFont.Weight.DemiBold)
    return made


def _qt_palette(p: Palette) -> QPalette:
    role = QPalette.ColorRole
    colours = {
        role.Window: p.page,
        role.WindowText: p.text,
        role.Base: p.surface,
        role.AlternateBase: p.raised,
        role.Text: p.text,
        role.Button: p.surface,
        role.ButtonText: p.text,
        role.ToolTipBase: p.raised,
        role.ToolTipText: p.text,
        role.Highlight: p.accent,
        role.HighlightedText: p.on_accent,
        role.PlaceholderText: p.muted,
        role.Link: p.accent,
        role.LinkVisited: p.accent,
        role.BrightText: p.bad.text,
        role.Light: p.hover,
        role.Midlight: p.border,
        role.Mid: p.strong_border,
        role.Dark: p.strong_border,
        role.Shadow: p.strong_border,
        role.Accent: p.accent,
    }
    made = QPalette()
    for name, colour in colours.items():
        made.setColor(name, QColor(colour))
    for name in (role.Text, role.WindowText, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, name, QColor(p.muted))
    return made


def themed(event: QEvent, widget: QWidget) -> None:
    """Repaint ``widget`` when the event says that the palette or the style changed."""
    if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
        widget.update()
