"""scikit-learn through MLflow 3: autolog, log_model with a registered name, an alias, loading it again."""

import json
import sys

import mlflow
from mlflow import MlflowClient
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

saw = {}
client = MlflowClient()
features, target = load_iris(return_X_y=True)
mlflow.set_experiment("models")
mlflow.sklearn.autolog(log_datasets=False, log_models=False)
with mlflow.start_run() as run:
    source = HTTPDatasetSource("http://127.0.0.1/iris.csv")
    mlflow.log_input(MetaDataset(source, name="iris"), context="training")
    fitted = LogisticRegression(max_iter=300, C=0.5).fit(features, target)
seen = client.get_run(run.info.run_id)
saw["autolog"] = [seen.data.params["C"], round(seen.data.metrics["training_accuracy_score"], 2)]
saw["inputs"] = [[one.dataset.name, one.tags[0].value] for one in seen.inputs.dataset_inputs]

with mlflow.start_run() as run:
    made = mlflow.sklearn.log_model(fitted, name="iris", registered_model_name="irises", pip_requirements=[])
saw["outputs"] = len(client.get_run(run.info.run_id).outputs.model_outputs)
logged = client.get_logged_model(made.model_id)
saw["model"] = [str(logged.status), logged.name, logged.tags["mlflow.modelVersions"]]
client.set_registered_model_alias("irises", "best", "1")
saw["alias"] = client.get_model_version_by_alias("irises", "best").version
again = mlflow.sklearn.load_model("models:/irises@best")
saw["same"] = bool((again.predict(features) == fitted.predict(features)).all())
found = mlflow.search_logged_models(experiment_ids=[run.info.experiment_id], output_format="list")
saw["search"] = sorted(one.name for one in found)
client.delete_logged_model(made.model_id)
saw["left"] = len(mlflow.search_logged_models(experiment_ids=[run.info.experiment_id], output_format="list"))
sys.stdout.write("\n" + json.dumps(saw) + "\n")
