"""Making a run again from what was recorded of it."""

from __future__ import annotations

from core.engine.context import Context, Done
from core.engine.jobs import submit
from core.engine.operations.data import keep_report
from core.engine.operations.training import wants_gpu
from core.engine.questions.reports import run_named
from core.engine.registry import JobOutcome, job_kind, operation
from core.engine.reproduction import changed_inputs, check_inputs, order_of
from core.kernel.records import Record
from core.training.reproduce import Reproduction

WORK = "core.engine.work.reproduction:train_again"


class ReproduceRun(Record):
    """Make a run again and compare."""

    run: str


@operation("run.reproduce", "train.run", ReproduceRun)
def reproduce_run(context: Context, request: ReproduceRun) -> Done:
    """Queue the run's own work on the run's own inputs, with what it left behind to compare with."""
    blobs = context.workspace.blobs
    run = run_named(context.session, request.run)
    order = order_of(context.session, run)
    check_inputs(blobs, order)
    recorded = {"model": run.artefacts["model"], "environment": run.environment}
    changed = changed_inputs(context.session, blobs, run, order)
    params = {
        **order.spec["params"],
        "subject": run.id,
        "recorded": recorded,
        "changed": [item.plain() for item in changed],
    }
    inputs = {**order.spec["inputs"], "predictions_then": run.artefacts["predictions"]}
    job = submit(context, "training.reproduce", f"Make {run.name} again", params=params, inputs=inputs)
    return Done(subject=run.id, summary=f"Making {run.name} again", result={"job": job, "run": run.id})


@job_kind("training.reproduce", "train.run", WORK, rooms=("training", "contract"), timeout_s=7200, gpu=wants_gpu)
def keep_reproduction(context: Context, outcome: JobOutcome) -> Done:
    """Keep whether the run came out the same, and what differs between then and now."""
    value = outcome.value
    made = Reproduction.read(value["reproduction"])
    facts = {**made.plain(), "changed": outcome.params["changed"]}
    done = keep_report(context, outcome, "reproduction", made.verdict != "different", made.summary, facts)
    return done.model_copy(update={"result": {**facts, "run": outcome.params["subject"], **done.result}})
