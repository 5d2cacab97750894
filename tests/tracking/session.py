"""A whole session of a stock MLflow client, unchanged. Run by the tests in the clients' own environments.

It prints one JSON document of what it saw; nothing here knows of Plimsoll.
"""

import json
import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])
saw = {"client": mlflow.__version__}
client = MlflowClient()


def refused(function, *arguments):
    try:
        function(*arguments)
    except mlflow.exceptions.MlflowException as error:
        return f"{error.error_code}: {error}"
    return ""


name = f"session-{mlflow.__version__}"
experiment = mlflow.set_experiment(name)
with mlflow.start_run(run_name="manual") as run:
    mlflow.log_param("depth", 6)
    mlflow.log_params({"rate": 0.1, "kind": "tree"})
    for step in range(5):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metrics({"auc": 0.9, "nothing": float("nan")})
    mlflow.set_tags({"team": "blue", "mlflow.note.content": "a note"})
    mlflow.log_text("hello", "notes/a.txt")
    mlflow.log_dict({"one": 1}, "d.json")
id = run.info.run_id
points = [Metric(f"m{number % 5}", number, 1000 + number, number // 5) for number in range(900)]
client.log_batch(id, metrics=points, params=[Param("batch", "yes")], tags=[RunTag("more", "1")])
seen = client.get_run(id)
saw["run"] = [seen.info.status, seen.data.params, seen.data.tags["team"], seen.data.metrics["auc"]]
saw["history"] = [[one.step, round(one.value, 3)] for one in client.get_metric_history(id, "loss")][-2:]
saw["history_length"] = len(client.get_metric_history(id, "m3"))
saw["changed_param"] = refused(client.log_param, id, "depth", "7")
saw["no_run"] = refused(client.get_run, "run-000")

with mlflow.start_run(run_name="parent"):
    for depth in (2, 4, 8):
        with mlflow.start_run(run_name=f"child {depth}", nested=True):
            mlflow.log_param("depth", depth)
            mlflow.log_metric("auc", 0.5 + depth / 20)
query = "metrics.auc >= 0.7 and params.depth != '2' and attributes.status = 'FINISHED'"
found = client.search_runs([experiment.experiment_id], query, order_by=["metrics.auc DESC"], max_results=2)
saw["search"] = [[one.data.params["depth"], one.data.metrics["auc"]] for one in found]
rest = client.search_runs([experiment.experiment_id], query, order_by=["metrics.auc DESC"], page_token=found.token)
saw["search_rest"] = [one.data.params["depth"] for one in rest]

saw["files"] = sorted(one.path for one in client.list_artifacts(id))
saw["inner_files"] = [[one.path, one.file_size] for one in client.list_artifacts(id, "notes")]
folder = tempfile.mkdtemp()
saw["downloaded"] = Path(client.download_artifacts(id, "notes/a.txt", folder)).read_text()
saw["folder"] = sorted(one.name for one in Path(client.download_artifacts(id, "notes", folder)).iterdir())

model = f"model-{mlflow.__version__}"
client.create_registered_model(model, tags={"area": "sea"}, description="a model")
for _ in range(2):
    version = client.create_model_version(model, f"{run.info.artifact_uri}/model", id)
client.set_model_version_tag(model, version.version, "checked", "yes")
client.update_model_version(model, version.version, "the second")
saw["staging"] = client.transition_model_version_stage(model, version.version, "Staging").current_stage
saw["production"] = refused(client.transition_model_version_stage, model, version.version, "Production")
saw["versions"] = sorted(int(one.version) for one in client.search_model_versions(f"name = '{model}'"))
saw["version"] = [client.get_model_version(model, "2").description, client.get_model_version(model, "2").tags]
saw["uri"] = client.get_model_version_download_uri(model, "2") == f"{run.info.artifact_uri}/model"
if VERSION >= (2, 0):
    client.set_registered_model_alias(model, "candidate", "2")
    saw["alias"] = client.get_model_version_by_alias(model, "candidate").version
    saw["champion"] = refused(client.set_registered_model_alias, model, "champion", "2")
    client.delete_registered_model_alias(model, "candidate")
    saw["unaliased"] = refused(client.get_model_version_by_alias, model, "candidate")
    from mlflow.entities import Dataset, DatasetInput, InputTag

    data = Dataset("flights", "abc123", "http", '{"url": "http://127.0.0.1/flights.csv"}', "{}", "{}")
    client.log_inputs(id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
    inputs = client.get_run(id).inputs.dataset_inputs
    saw["inputs"] = [[one.dataset.name, one.tags[0].value] for one in inputs]
client.delete_registered_model(model)
saw["no_model"] = refused(client.get_registered_model, model)

client.delete_run(id)
saw["deleted"] = client.get_run(id).info.lifecycle_stage
saw["deleted_log"] = refused(client.log_metric, id, "late", 1.0)
client.restore_run(id)
saw["restored"] = client.get_run(id).info.lifecycle_stage
client.rename_experiment(experiment.experiment_id, f"{name} renamed")
client.delete_experiment(experiment.experiment_id)
saw["experiment"] = client.get_experiment(experiment.experiment_id).lifecycle_stage
client.restore_experiment(experiment.experiment_id)
saw["renamed"] = client.get_experiment_by_name(f"{name} renamed").experiment_id == experiment.experiment_id
sys.stdout.write("\n" + json.dumps(saw) + "\n")
