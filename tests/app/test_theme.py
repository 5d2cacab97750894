"""Contrast, plain text, and the mistakes that a reviewer forgets to look for."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.actions import PAGES
from app.theme.palette import DARK, LIGHT, Palette, contrast, pairs
from app.theme.states import look_of

APP = Path(__file__).parents[2] / "app"
FILES = sorted(APP.rglob("*.py"))


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=lambda p: p.name)
def test_every_text_pair_has_contrast(palette: Palette) -> None:
    low = [
        f"{name}: {contrast(ink, ground):.2f}" for name, ink, ground in pairs(palette) if contrast(ink, ground) < 4.5
    ]
    assert not low


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=lambda p: p.name)
def test_series_colours_stand_out(palette: Palette) -> None:
    low = [c for c in palette.series if contrast(c, palette.surface) < 2.9]
    assert not low  # graphical objects need 3:1 (WCAG 1.4.11); the table twin says the same


def test_known_contrast_values() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_states_never_rely_on_colour_alone() -> None:
    shown = {name: look_of(name) for name in ("passed", "warned", "failed", "running", "draft")}
    assert len({look.glyph for look in shown.values()}) == 5
    assert all(look.word for look in shown.values())
    assert look_of("something new").word == "Something new"
    assert look_of(True).tone == "good"


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return found | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_labels_are_plain_text_only() -> None:
    guilty = [
        str(p.relative_to(APP)) for p in FILES if {"QLabel", "QMessageBox", "QTextBrowser", "QTextEdit"} & names_in(p)
    ]
    assert guilty == ["widgets/text.py"]


def test_no_nested_loops_sleeps_or_proxies() -> None:
    banned = {"processEvents", "QSortFilterProxyModel", "setHtml", "setMarkdown", "terminate", "sleep"}
    assert not [p.name for p in FILES if banned & names_in(p)]
    loops = sorted(str(p.relative_to(APP)) for p in FILES if "exec" in names_in(p))
    assert loops == ["__main__.py", "pictures.py"]


def test_files_stay_small() -> None:
    assert not [p.name for p in FILES if len(p.read_text("utf-8").splitlines()) > 450]


def test_app_reaches_core_through_the_client_alone() -> None:
    """Only the opening knows more: where a workspace is found, and a passphrase."""
    client = {"core.kernel.errors", "core.engine.client"}
    for path in FILES:
        opening = {"core.identity.secrets", "core.workspace.workspace"} if path.name == "opening.py" else set()
        allowed = client | opening
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else ([a.name for a in node.names] if isinstance(node, ast.Import) else [])
            )
            assert all(n in allowed for n in names if n.split(".")[0] == "core"), (path, names)


def test_pages_never_import_each_other() -> None:
    for path in (APP / "pages").glob("*/*.py"):
        text = path.read_text("utf-8")
        others = [p.name for p in (APP / "pages").iterdir() if p.is_dir() and p.name != path.parent.name]
        assert not [o for o in others if f"app.pages.{o}." in text], path


def test_the_shell_imports_nothing_heavy() -> None:
    code = (
        "import sys; import app.__main__; "
        "heavy = {'pyqtgraph', 'polars', 'duckdb', 'numpy', 'torch', 'sklearn', 'onnxruntime', 'qtawesome', 'scipy'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=APP.parent)
    assert done.stdout.strip() == "[]"


def test_the_window_imports_nothing_heavy() -> None:
    """Every page, and what reaches the owner of a workspace; machine learning stays in the workers."""
    heavy = ("torch", "sklearn", "onnxruntime", "onnx", "scipy", "pandas", "networkx", "asyncssh", "sqlalchemy")
    pages = ", ".join(page.module for page in PAGES)
    code = f"import sys, app.__main__, core.engine.client, {pages}; print(*sorted(set({heavy}) & set(sys.modules)))"
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=APP.parent, env=environment
    )
    assert ran.stdout.strip() == ""
