"""monitor, labels, alerts, incidents, schedule: how a model does out there, and what people do about it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from core.cli import output
from core.cli.session import Options, client, follow_job
from core.cli.walk import do_job, listing, noun
from core.kernel.errors import InputError, NotFound

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="champion, NAME, NAME/NUMBER or id.")]
IncidentId = Annotated[str, typer.Argument(metavar="ID", help="Incident id or its beginning, or latest.")]
ScheduleName = Annotated[str, typer.Argument(metavar="NAME", help="Name of a schedule.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    monitor = noun(app, "monitor", "Production traffic: collect, analyse, look.")
    monitor.command("collect")(collect)
    monitor.command("analyse")(analyse)
    monitor.command("report")(report)
    monitor.command("drift")(drift)
    monitor.command("slo")(slo)
    alerts = noun(app, "alerts", "Signals over their limits.")
    alerts.command("list")(list_alerts)
    alerts.command("mute")(mute)
    incidents = noun(app, "incidents", "What people attend to.")
    incidents.command("list")(list_incidents)
    incidents.command("show")(show_incident)
    incidents.command("ack")(acknowledge)
    incidents.command("act")(act)
    incidents.command("close")(close)
    schedule = noun(app, "schedule", "What the engine does by itself, and when.")
    schedule.command("list")(list_schedules)
    schedule.command("add")(add_schedule)
    schedule.command("remove")(remove_schedule)
    schedule.command("run-now")(run_now)


def collect(context: typer.Context, target: Annotated[str, typer.Argument(metavar="TARGET")]) -> None:
    """Bring home what is new in a target's prediction log, each line once."""
    options: Options = context.obj
    rows, snapshots, more = 0, [], True
    with client(options) as held:
        while more:
            got = do_job(held, "monitor.collect", {"target": target})
            rows, more = rows + got["rows"], bool(got["more"])
            snapshots += [got["snapshot"]] if got["rows"] else []
        total = held.ask("collected", target=target)["rows"]
    options.printer.value({"target": target, "new_rows": rows, "rows_in_all": total, "snapshots": snapshots})


def analyse(
    context: typer.Context,
    since: Annotated[str, typer.Option(help="Start of the period, UTC, such as 2013-07-01T00:00:00Z.")],
    until: Annotated[str, typer.Option(help="End of the period, UTC, not included.")],
    as_of: Annotated[str, typer.Option(help="Knowing what was known then; now if empty.")] = "",
) -> None:
    """Judge the champion's traffic window by window; signals become incidents and decisions."""
    options: Options = context.obj
    with client(options) as held:
        made = do_job(held, "monitor.analyse", {"since": since, "until": until, "as_of": as_of})
    if options.as_json:
        options.printer.value(made)
        return
    decisions = made.pop("decisions")
    options.printer.value(made, "Analysis")
    rows = [[item["on"], item["action"], item["reason"]] for item in decisions]
    output.rows(("on", "action", "reason"), rows, "Decisions")


def _report(options: Options, model: str) -> dict[str, Any]:
    with client(options) as held:
        view: dict[str, Any] | None = held.ask("monitoring", model="" if model == "champion" else model)
    if view is None:
        raise NotFound(
            f"No traffic of {model} was analysed yet", remedy="Run `plimsoll monitor collect` and `monitor analyse`."
        )
    return view


def report(context: typer.Context, model: ModelName = "champion") -> None:
    """All four layers of a version, window by window."""
    options: Options = context.obj
    view = _report(options, model)
    if options.as_json:
        options.printer.value(view)
        return
    window = view["window"]
    output.out.print(
        f"{view['model']} v{view['version']}, {window['start'][:10]} to {window['end'][:10]}, as of {view['as_of']}",
        markup=False,
    )
    names = ("window", "n", "auc", "auc_low", "auc_high", "brier", "labels", "availability", "p99_ms", "drifted")
    output.rows(names, [[one[name] for name in names] for one in view["windows"]], "Windows")
    _slos(view)
    parity = view["parity"]
    output.out.print(f"Served against offline: {parity['rows']:,} rows, largest difference {parity['max_difference']}")
    chosen = ("at", "on", "action", "reason")
    output.rows(chosen, [[one[name] for name in chosen] for one in view["decisions"]], "Decisions")


def drift(context: typer.Context, model: ModelName = "champion") -> None:
    """Columns of the newest window against training, alarms first."""
    options: Options = context.obj
    view = _report(options, model)
    if options.as_json:
        options.printer.value(view["drift"])
        return
    names = ("column", "verdict", "effect", "null_effect", "p", "psi", "reason")
    window = view["window"]
    rows = [[item[name] for name in names] for item in view["drift"]]
    output.rows(names, rows, f"Drift, {window['start'][:10]} to {window['end'][:10]}")


def slo(context: typer.Context, model: ModelName = "champion") -> None:
    """Objectives of the newest window; exit 1 when one is missed."""
    options: Options = context.obj
    view = _report(options, model)
    if options.as_json:
        options.printer.value(view["slos"])
    else:
        _slos(view)
    if any(item["met"] is False for item in view["slos"]):
        raise typer.Exit(1)


def _slos(view: dict[str, Any]) -> None:
    rows = [[item["name"], item["indicator"], item["objective"], item["met"], _share(item)] for item in view["slos"]]
    output.rows(("objective", "indicator", "wanted", "met", "observed"), rows, "Objectives")


def _share(item: dict[str, Any]) -> float | None:
    found: float | None = item["observed"]
    return found if found is not None else (item["status"] or {}).get("attainment")


def list_alerts(context: typer.Context) -> None:
    """Alerts, the newest first, each with how often it fired."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("alerts")
    listing(options, frame, ["alert", "severity", "count", "headline", "incident", "at"], "Alerts")


def mute(
    context: typer.Context,
    alert: Annotated[str, typer.Argument(metavar="ID", help="Alert id or its beginning.")],
    duration: Annotated[str, typer.Option("--for", help="Such as 12h or 7d.")],
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")],
) -> None:
    """Silence an alert for a while; it goes on being recorded."""
    options: Options = context.obj
    with client(options) as held:
        held.change("alert.mute", {"alert": alert, "duration": duration, "reason": reason})
    options.printer.value({"muted": alert, "for": duration, "reason": reason})


def list_incidents(context: typer.Context) -> None:
    """Incidents, newest first."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("incidents")
    listing(options, frame, ["incident", "severity", "state", "title", "alerts", "breaches", "opened_at"], "Incidents")


def show_incident(context: typer.Context, incident: IncidentId) -> None:
    """One incident: alerts, what was done, the playbook."""
    options: Options = context.obj
    with client(options) as held:
        view = held.ask("incident", id=incident)
    if options.as_json:
        options.printer.value(view)
        return
    names = ("incident", "title", "severity", "state", "subject", "opened_at")
    options.printer.value({name: view[name] for name in names})
    rows = [[one["severity"], one["count"], one["summary"]] for one in view["alerts"]]
    output.rows(("severity", "count", "alert"), rows, "Alerts")
    output.rows(("at", "who", "what", "text"), [list(one.values()) for one in view["timeline"]], "Timeline")
    options.printer.value(view["playbook"], "Playbook")


def acknowledge(
    context: typer.Context,
    incident: IncidentId,
    text: Annotated[str, typer.Option(help="A word about it.")] = "I am looking into it",
) -> None:
    """Take an incident on."""
    _note(context, "incident.acknowledge", incident, text)


def act(
    context: typer.Context,
    incident: IncidentId,
    step: Annotated[str, typer.Argument(metavar="STEP", help="What was done, such as a step of the playbook.")],
) -> None:
    """Record that a step was taken."""
    _note(context, "incident.act", incident, step)


def close(
    context: typer.Context,
    incident: IncidentId,
    reason: Annotated[str, typer.Option(help="What it was and why it is over.")],
) -> None:
    """Close an incident; a later breach of the same cause opens a new one."""
    _note(context, "incident.close", incident, reason)


def _note(context: typer.Context, operation: str, incident: str, text: str) -> None:
    options: Options = context.obj
    with client(options) as held:
        made = held.change(operation, {"incident": incident, "text": text})
        view = held.ask("incident", id=made["incident"])
    options.printer.value({name: view[name] for name in ("incident", "title", "state")})


def list_schedules(context: typer.Context) -> None:
    """All schedules."""
    options: Options = context.obj
    with client(options) as held:
        found = held.ask("schedules")
    if options.as_json:
        options.printer.value(found)
        return
    names = ("name", "cron", "operation", "request", "state")
    output.rows(names, [[row[name] for name in names] for row in found], "Schedules")


def add_schedule(
    context: typer.Context,
    name: ScheduleName,
    cron: Annotated[str, typer.Option(help="Five fields, UTC, such as '0 6 * * 1'.")],
    operation: Annotated[str, typer.Option(help="Such as pipeline.run or monitor.collect.")],
    request: Annotated[str, typer.Option(help="Its request as a JSON object.")] = "{}",
) -> None:
    """Dispatch an operation whenever a cron expression says so."""
    options: Options = context.obj
    try:
        values = json.loads(request)
    except ValueError as error:
        raise InputError("The request is not JSON", where="--request", detail=str(error)) from error
    if not isinstance(values, dict):
        raise InputError("The request is not a JSON object", where="--request")
    with client(options) as held:
        held.change("schedule.add", {"name": name, "cron": cron, "operation": operation, "request": values})
    options.printer.value({"name": name, "cron": cron, "operation": operation, "state": "on"})


def remove_schedule(context: typer.Context, name: ScheduleName) -> None:
    """Switch a schedule off."""
    options: Options = context.obj
    with client(options) as held:
        held.change("schedule.remove", {"name": name})
    options.printer.value({"name": name, "state": "off"})


def run_now(context: typer.Context, name: ScheduleName) -> None:
    """Dispatch a schedule's operation now, in your own name."""
    options: Options = context.obj
    with client(options) as held:
        live = [row for row in held.ask("schedules") if row["name"] == name and row["state"] == "on"]
        if not live:
            raise NotFound(f"There is no schedule {name!r}", remedy="List them with `plimsoll schedule list`.")
        made = held.change(live[0]["operation"], live[0]["request"])
        if "job" in made:
            made = follow_job(held, made["job"])
        if "pipeline" in made:
            from core.cli.session import follow_pipeline

            made = follow_pipeline(held, made["pipeline"])
    options.printer.value(made)
