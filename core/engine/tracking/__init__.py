"""The tracking door: what the stock MLflow client asks over HTTP, answered from the store."""
