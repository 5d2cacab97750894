"""What made kept_mlruns.json and kept_mlflow.sql, by hand: runs kept by MLflow itself in a folder and in a database.

MLFLOW_ALLOW_FILE_STORE=true python keep.py file:///SOME/mlruns
python keep.py sqlite:////SOME/mlflow.db /SOME/mlruns/1
"""

import sys

import mlflow
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.data.meta_dataset import MetaDataset

mlflow.set_tracking_uri(sys.argv[1])
id = mlflow.create_experiment("kept", artifact_location=(sys.argv[2:] or [None])[0])
mlflow.set_experiment("kept")
for depth in (3, 5):
    with mlflow.start_run(run_name=f"depth {depth}"):
        mlflow.log_param("depth", depth)
        mlflow.set_tag("team/of", "sea")
        if len(sys.argv) > 2:
            source = HTTPDatasetSource("http://127.0.0.1/flights.csv")
            mlflow.log_input(MetaDataset(source, name="flights"), context="training")
        for step in range(5):
            mlflow.log_metric("loss/train", depth / (step + 1), step=step)
        mlflow.log_metric("auc", float("nan") if depth == 3 else 0.75)
        mlflow.log_text("hello", "notes/a.txt")
client = mlflow.MlflowClient()
gone = [one for one in client.search_runs([id]) if one.data.params["depth"] == "3"]
client.delete_run(gone[0].info.run_id)
if len(sys.argv) > 2:
    client.create_run(id, run_name="still running")
