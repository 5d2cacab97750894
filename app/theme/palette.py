"""The two palettes. Every text and background pair in :func:`pairs` has a contrast of at least 4.5:1."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tone:
    """Colours of one kind of state: its text or glyph, and the tint behind it."""

    text: str
    tint: str


@dataclass(frozen=True)
class Palette:
    """All colours of one theme as ``#rrggbb``."""

    name: str
    dark: bool
    page: str
    surface: str
    raised: str
    hover: str
    border: str
    strong_border: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    on_accent: str
    accent_tint: str
    good: Tone
    warn: Tone
    bad: Tone
    info: Tone
    neutral: Tone
    series: tuple[str, ...]
    grid: str

    def tone(self, name: str) -> Tone:
        """Colours of the tone ``good``, ``warn``, ``bad``, ``info`` or ``neutral``."""
        found = getattr(self, name)
        assert isinstance(found, Tone)
        return found


TONES = ("good", "warn", "bad", "info", "neutral")

# The tones are the Okabe-Ito hues (blue, bluish green, orange, vermillion), made darker or
# lighter until they read as text: Okabe and Ito, "Color Universal Design", 2008.
LIGHT = Palette(
    name="light",
    dark=False,
    page="#f6f7f9",
    surface="#ffffff",
    raised="#fbfbfc",
    hover="#eef1f5",
    border="#e4e7ec",
    strong_border="#c9cfd8",
    text="#171b22",
    muted="#586171",
    accent="#0b64a8",
    accent_hover="#09558f",
    on_accent="#ffffff",
    accent_tint="#e6f0f9",
    good=Tone("#00694b", "#e0f4ec"),
    warn=Tone("#7d5000", "#fdf1d8"),
    bad=Tone("#a93400", "#fdeae1"),
    info=Tone("#005a91", "#e3f0fa"),
    neutral=Tone("#525b69", "#eef0f3"),
    series=("#0072b2", "#d55e00", "#009e73", "#b8629a", "#c48a00", "#3d9bd1", "#5b6472"),
    grid="#e9ecf0",
)

DARK = Palette(
    name="dark",
    dark=True,
    page="#0e1014",
    surface="#15181e",
    raised="#1a1e25",
    hover="#20252e",
    border="#262b35",
    strong_border="#3b4350",
    text="#e8ebf0",
    muted="#9ba5b4",
    accent="#62b4ec",
    accent_hover="#86c6f2",
    on_accent="#07151f",
    accent_tint="#14293a",
    good=Tone("#4fd0a4", "#11291f"),
    warn=Tone("#f2bd5a", "#2f2412"),
    bad=Tone("#ff9569", "#341c13"),
    info=Tone("#7ac2f2", "#12283a"),
    neutral=Tone("#adb6c3", "#232831"),
    series=("#56b4e9", "#f0894a", "#2fc196", "#d98bbd", "#e6b23c", "#8fb7ff", "#9ba5b4"),
    grid="#232831",
)

PALETTES = {palette.name: palette for palette in (LIGHT, DARK)}


def pairs(palette: Palette) -> list[tuple[str, str, str]]:
    """(what it is, text colour, background) of every combination that the window paints text with."""
    grounds = ("page", "surface", "raised", "hover")
    out = [
        (f"{ink} on {ground}", getattr(palette, ink), getattr(palette, ground))
        for ink in ("text", "muted", "accent")
        for ground in grounds
    ]
    out += [
        ("accent on its tint", palette.accent, palette.accent_tint),
        ("text on the accent tint", palette.text, palette.accent_tint),
        ("muted on the accent tint", palette.muted, palette.accent_tint),
        ("button", palette.on_accent, palette.accent),
        ("button under the pointer", palette.on_accent, palette.accent_hover),
    ]
    for name in TONES:
        tone = palette.tone(name)
        out += [
            (f"{name} on its tint", tone.text, tone.tint),
            (f"{name} on surface", tone.text, palette.surface),
            (f"{name} on page", tone.text, palette.page),
            (f"text on {name} tint", palette.text, tone.tint),
        ]
    return out


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio from 1 to 21 (WCAG 2.2, success criterion 1.4.3)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
