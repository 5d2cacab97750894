"""The style sheet: an 8 px grid, one accent, quiet borders, a visible focus ring."""

from __future__ import annotations

from importlib.resources import files

from app.theme.palette import Palette


def style_sheet(p: Palette, size: int, fixed: str) -> str:
    """Qt style sheet of a palette; ``size`` is the body text in pixels."""
    icons = str(files("resources") / "icons").replace("\\", "/")
    return f"""
* {{ font-size: {size}px; }}
QToolTip {{ background: {p.raised}; color: {p.text}; border: 1px solid {p.strong_border}; padding: 6px 8px; }}
QMainWindow, QDialog, #page {{ background: {p.page}; }}
QLabel {{ background: transparent; color: {p.text}; }}
QLabel[role="title"] {{ font-size: {size + 8}px; font-weight: 600; }}
QLabel[role="heading"] {{ font-size: {size + 2}px; font-weight: 600; }}
QLabel[role="strong"] {{ font-weight: 600; }}
QLabel[role="muted"], QLabel[role="caption"] {{ color: {p.muted}; }}
QLabel[role="caption"] {{ font-size: {size - 1}px; }}
QLabel[role="figure"] {{ font-size: {size + 14}px; font-weight: 600; }}
QLabel[role="mono"] {{ font-family: "{fixed}"; font-size: {size - 1}px; }}
QLabel[role="error"] {{ color: {p.bad.text}; }}

#rail {{ background: {p.surface}; border-right: 1px solid {p.border}; }}
#rail QPushButton {{ text-align: left; border: 1px solid transparent; border-radius: 6px; padding: 0 12px;
  min-height: 36px; color: {p.muted}; background: transparent; font-weight: 500; }}
#rail QPushButton:hover {{ background: {p.hover}; color: {p.text}; }}
#rail QPushButton:checked {{ background: {p.accent_tint}; color: {p.text}; font-weight: 600; }}
#rail QPushButton:focus {{ border-color: {p.accent}; }}
#header {{ background: {p.page}; }}
#card {{ background: {p.surface}; border: 1px solid {p.border}; border-radius: 8px; }}
#line {{ background: {p.border}; max-height: 1px; min-height: 1px; border: none; }}
#statusbar {{ background: {p.surface}; border-top: 1px solid {p.border}; }}
#statusbar QPushButton {{ border: 1px solid transparent; background: transparent; color: {p.muted}; padding: 0 8px;
  min-height: 22px; border-radius: 4px; }}
#statusbar QPushButton:hover {{ background: {p.hover}; color: {p.text}; }}
#statusbar QPushButton:focus {{ border-color: {p.accent}; }}

QPushButton {{ background: {p.surface}; color: {p.text}; border: 1px solid {p.strong_border}; border-radius: 6px;
  padding: 0 14px; min-height: 30px; }}
QPushButton:hover {{ background: {p.hover}; }}
QPushButton:focus {{ border-color: {p.accent}; }}
QPushButton:disabled {{ color: {p.muted}; background: {p.raised}; border-color: {p.border}; }}
QPushButton[kind="primary"] {{ background: {p.accent}; border-color: {p.accent}; color: {p.on_accent};
  font-weight: 600; }}
QPushButton[kind="primary"]:hover {{ background: {p.accent_hover}; }}
QPushButton[kind="primary"]:focus {{ border: 2px solid {p.text}; }}
QPushButton[kind="primary"]:disabled {{ background: {p.neutral.tint}; border-color: {p.border}; color: {p.muted}; }}
QPushButton[kind="danger"] {{ color: {p.bad.text}; border-color: {p.bad.text}; }}
QPushButton[kind="danger"]:disabled {{ color: {p.muted}; border-color: {p.border}; }}
QPushButton[kind="quiet"], QToolButton {{ border: 1px solid transparent; background: transparent; color: {p.muted};
  padding: 0 8px; border-radius: 6px; min-height: 26px; }}
QPushButton[kind="quiet"]:hover, QToolButton:hover {{ background: {p.hover}; color: {p.text}; }}
QPushButton[kind="quiet"]:focus, QToolButton:focus {{ border-color: {p.accent}; }}
QPushButton[kind="tiny"] {{ border: 1px solid transparent; background: transparent; padding: 0 4px; border-radius: 4px;
  min-height: 16px; max-height: 16px; }}
QPushButton[kind="tiny"]:hover {{ background: {p.hover}; }}
QPushButton[kind="tiny"]:focus {{ border-color: {p.accent}; }}
QPushButton[kind="small"] {{ padding: 0 10px; min-height: 24px; max-height: 24px; }}
QToolButton::menu-indicator {{ image: none; }}

QLineEdit, QPlainTextEdit, QComboBox, QSpinBox {{ background: {p.surface}; color: {p.text};
  border: 1px solid {p.strong_border}; border-radius: 6px; padding: 5px 8px; selection-background-color: {p.accent};
  selection-color: {p.on_accent}; }}
QLineEdit:focus, QPlainTextEdit:focus, QComboBox:focus, QSpinBox:focus {{ border-color: {p.accent}; }}
QPlainTextEdit[role="mono"] {{ font-family: "{fixed}"; font-size: {size - 1}px; background: {p.raised};
  border-color: {p.border}; }}
QComboBox::drop-down {{ border: none; width: 26px; }}
QComboBox::down-arrow {{ image: url("{icons}/chevron-down-{p.name}.svg"); width: 14px; height: 14px; }}
QSpinBox {{ padding: 5px 22px 5px 4px; min-height: 18px; }}
QSpinBox QLineEdit {{ border: none; background: transparent; padding: 0 4px; }}
QSpinBox::up-button, QSpinBox::down-button {{ border: none; background: transparent; width: 20px; }}
QSpinBox::up-arrow {{ image: url("{icons}/chevron-up-{p.name}.svg"); width: 12px; height: 12px; }}
QSpinBox::down-arrow {{ image: url("{icons}/chevron-down-{p.name}.svg"); width: 12px; height: 12px; }}
QAbstractScrollArea::corner {{ background: transparent; border: none; }}
QComboBox QAbstractItemView {{ background: {p.surface}; border: 1px solid {p.strong_border}; color: {p.text};
  selection-background-color: {p.accent_tint}; selection-color: {p.text}; outline: none; }}
QCheckBox {{ color: {p.text}; spacing: 8px; }}
QCheckBox::indicator {{ width: 16px; height: 16px; border: 1px solid {p.strong_border}; border-radius: 4px;
  background: {p.surface}; }}
QCheckBox::indicator:checked {{ background: {p.accent}; border-color: {p.accent};
  image: url("{icons}/tick-{p.name}.svg"); }}
QCheckBox:focus {{ color: {p.accent}; }}

QTableView, QListView, QListWidget {{ background: {p.surface}; color: {p.text}; border: none; outline: none;
  selection-background-color: {p.accent_tint}; selection-color: {p.text}; gridline-color: {p.border}; }}
QTableView:focus, QListWidget:focus {{ border: 1px solid {p.accent}; border-radius: 4px; }}
QHeaderView {{ background: transparent; }}
QHeaderView::section {{ background: {p.surface}; color: {p.muted}; border: none; border-bottom: 1px solid {p.border};
  padding: 0 8px; min-height: 30px; font-size: {size - 1}px; font-weight: 500; }}
QTableCornerButton::section {{ background: {p.surface}; border: none; }}

QTabWidget::pane {{ border: none; border-top: 1px solid {p.border}; top: -1px; background: transparent; }}
QTabBar {{ qproperty-drawBase: 0; background: transparent; }}
QTabBar::tab {{ background: transparent; color: {p.muted}; padding: 8px 2px; margin-right: 22px; border: none;
  border-bottom: 2px solid transparent; }}
QTabBar::tab:hover {{ color: {p.text}; }}
QTabBar::tab:selected {{ color: {p.text}; border-bottom-color: {p.accent}; font-weight: 600; }}
QTabBar::tab:focus {{ color: {p.accent}; }}

QScrollArea {{ border: none; background: transparent; }}
#scrolled {{ background: transparent; }}
QSplitter::handle {{ background: transparent; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {p.strong_border}; border-radius: 3px; min-height: 32px; min-width: 32px;
  margin: 2px; }}
QScrollBar::handle:hover {{ background: {p.muted}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}

QProgressBar {{ background: {p.hover}; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }}
QProgressBar::chunk {{ background: {p.accent}; border-radius: 3px; }}
QSlider::groove:horizontal {{ height: 4px; background: {p.border}; border-radius: 2px; }}
QSlider::handle:horizontal {{ width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; background: {p.accent}; }}
QMenu {{ background: {p.surface}; color: {p.text}; border: 1px solid {p.strong_border}; padding: 4px; }}
QMenu::item {{ padding: 6px 24px 6px 12px; border-radius: 4px; }}
QMenu::item:selected {{ background: {p.accent_tint}; color: {p.text}; }}
QMenu::separator {{ height: 1px; background: {p.border}; margin: 4px 8px; }}

#message {{ border-radius: 6px; border: 1px solid {p.border}; }}
#message[tone="bad"] {{ background: {p.bad.tint}; border-color: {p.bad.text}; }}
#message[tone="warn"] {{ background: {p.warn.tint}; border-color: {p.warn.text}; }}
#message[tone="good"] {{ background: {p.good.tint}; border-color: {p.good.text}; }}
#message[tone="info"] {{ background: {p.info.tint}; border-color: {p.info.text}; }}
#popup {{ background: {p.surface}; border: 1px solid {p.strong_border}; border-radius: 8px; }}
#key {{ background: {p.raised}; border: 1px solid {p.strong_border}; border-radius: 4px; padding: 2px 7px; }}
"""
