"""Qt models and views over Polars frames."""
