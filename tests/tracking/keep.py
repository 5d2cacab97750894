"""Runs kept by MLflow itself in a folder and in a database. Run by the tests in the client's own environment."""

import os
import sys
from pathlib import Path

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
import mlflow

mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("kept")
for depth in (3, 5):
    with mlflow.start_run(run_name=f"depth {depth}"):
        mlflow.log_param("depth", depth)
        mlflow.set_tag("team/of", "sea")
        for step in range(50):
            mlflow.log_metric("loss/train", depth / (step + 1), step=step)
        mlflow.log_metric("auc", float("nan") if depth == 3 else 0.75)
        mlflow.log_text("hello", "notes/a.txt")
if len(sys.argv) > 2:
    client = mlflow.MlflowClient()
    client.delete_run(client.search_runs([mlflow.get_experiment_by_name("kept").experiment_id])[0].info.run_id)
Path("done").touch()
