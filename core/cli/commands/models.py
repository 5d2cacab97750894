"""train, runs, evaluate, report, gates, models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import output
from core.cli.session import Options, client
from core.cli.walk import listing, load_project_here, noun, show_steps, walk_to, write_whole
from core.cli.window import pdf_of
from core.kernel.errors import InputError, NotFound

if TYPE_CHECKING:
    pass

RunName = Annotated[str, typer.Argument(metavar="RUN", help="Run id or its beginning, candidate, model, or latest.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="champion, latest, NAME, NAME/NUMBER or id.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(train)
    app.command("evaluate")(evaluate)
    app.command("report")(report)
    app.command("gates")(gates)
    models = noun(app, "models", "Registered model versions.")
    models.command("list")(list_models)
    models.command("show")(show_model)
    models.command("audit")(audit)
    models.command("card")(card)
    models.command("archive")(archive)


def train(
    context: typer.Context,
    trainer: Annotated[str, typer.Argument(help="A candidate or a trainer; all candidates if empty.")] = "",
) -> None:
    """Train candidates on the project's data; unchanged ones come from the cache."""
    options: Options = context.obj
    with client(options) as held:
        load_project_here(options, held)
        candidates = held.ask("project")["candidates"]
        wanted = [name for name, kind in candidates.items() if trainer in ("", name, kind)]
        if not wanted:
            raise NotFound(f"There is no candidate {trainer!r}", detail="Candidates: " + ", ".join(candidates))
        views = [walk_to(held, f"train:{name}") for name in wanted]
    steps = {step["name"]: step for view in reversed(views) for step in view["steps"]}
    show_steps(options, {**views[-1], "steps": list(steps.values())})


def evaluate(context: typer.Context, run: RunName) -> None:
    """How a run was judged on the test period."""
    options: Options = context.obj
    with client(options) as held:
        view = held.ask("evaluation", id=held.ask("run_id", name=run))
    if options.as_json:
        options.printer.value(view)
        return
    metrics = [
        {"metric": name, **{key: item.get(key) for key in ("value", "low", "high")}}
        for name, item in view["metrics"].items()
    ]
    options.printer.value(metrics, view["summary"])
    _print_gates(view["gates"])
    output.out.print(f"Page: plimsoll report {view['evaluation']} --to FILE.html", markup=False)


def report(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="Evaluation, run, model or search.")],
    to: Annotated[Path, typer.Option("--to", help="File to write, ending in .html or .pdf.")],
) -> None:
    """Write a report as a page or as PDF: of an evaluation with the newest verdict of the gates, or of a search."""
    options: Options = context.obj
    ending = to.suffix.lower()
    if ending not in (".html", ".htm", ".pdf"):
        raise InputError(f"{to.name} is neither HTML nor PDF", remedy="Choose a name that ends in .html or .pdf.")
    with client(options) as held:
        if ending == ".pdf":
            content = pdf_of(held.ask("report_document", name=name))
        else:
            content = held.ask("report_html", name=name).encode()
    write_whole(to, content)
    options.printer.value({"file": str(to), "bytes": len(content)})


def gates(context: typer.Context, name: RunName) -> None:
    """The verdict of the policy's gates; exit 1 when the run is blocked."""
    options: Options = context.obj
    with client(options) as held:
        found = held.ask("gates", name=name)
    if options.as_json:
        options.printer.value(found)
    else:
        output.out.print(f"{found['name']} ({found['run']}): {'passed' if found['passed'] else 'blocked'}")
        _print_gates(found["gates"])
    if not found["passed"]:
        raise typer.Exit(1)


def _print_gates(outcomes: list[dict[str, Any]]) -> None:
    rows = [
        [_mark(item), item["rule"], f"{item['fact']} {item['op']} {item['expected']}", item["observed"], item["why"]]
        for item in outcomes
    ]
    output.rows(("", "gate", "rule", "observed", "why"), rows, "Gates")


def _mark(item: dict[str, Any]) -> str:
    return "✓" if item["passed"] else ("✗" if item["severity"] == "block" else "!")


def list_models(context: typer.Context) -> None:
    """All versions with their stages, newest first."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("models")
    listing(options, frame, ["model_version", "model", "version", "stage", "run", "created_at"], "Models")


def show_model(context: typer.Context, model: ModelName) -> None:
    """One version: its stage, run, files and evidence."""
    options: Options = context.obj
    with client(options) as held:
        view = held.ask("model", name=model)
    if not options.as_json:
        view.pop("card")
        view |= {"features": view["detail"].pop("features"), "files": list(view["detail"].pop("files"))}
    options.printer.value(view)


def audit(context: typer.Context, model: ModelName) -> None:
    """The five audit questions, answered from records; exit 1 when something is not on record."""
    options: Options = context.obj
    with client(options) as held:
        answer = held.ask("audit", model=model)
    if options.as_json:
        options.printer.value(answer)
    else:
        words = "complete" if answer["complete"] else "incomplete"
        output.out.print(f"{answer['model']} v{answer['version']}: {words}, as of {answer['as_of']}", markup=False)
        for section in answer["sections"]:
            output.out.print(f"\n{section['question']}\n  {section['answer']}", markup=False)
            for fact in section["facts"]:
                proof = f"  [{fact['proof']}]" if fact["proof"] else ""
                output.out.print(f"  • {fact['label']}: {fact['value']}{proof}", markup=False)
            for missing in section["missing"]:
                output.out.print(f"  ✗ not on record: {missing}", markup=False)
    if not answer["complete"]:
        raise typer.Exit(1)


def card(context: typer.Context, model: ModelName) -> None:
    """The model card, as Markdown."""
    options: Options = context.obj
    with client(options) as held:
        text = held.ask("model", name=model)["card"]
    if options.as_json:
        options.printer.value({"markdown": text})
    else:
        typer.echo(text, nl=False)


def archive(
    context: typer.Context, model: ModelName, reason: Annotated[str, typer.Option(help="Why it goes out of use.")]
) -> None:
    """Take a version out of use."""
    options: Options = context.obj
    with client(options) as held:
        version = held.ask("model", name=model)
        held.change("model.archive", {"model": version["model_version"], "reason": reason})
        view = held.ask("model", name=version["model_version"])
    options.printer.value({name: view[name] for name in ("model_version", "model", "version", "stage")})
