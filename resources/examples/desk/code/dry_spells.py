"""How long it has been dry: too narrow a thing for one expression, so it is a function."""

import polars as pl


def dry_spells(observations: pl.DataFrame) -> pl.DataFrame:
    """Hours since the last rain at each airport; rows only look back."""
    rows = observations.sort("origin", "time_hour", maintain_order=True)
    wet = pl.when(pl.col("precip") > 0).then(pl.col("time_hour"))
    since = pl.col("time_hour") - wet.forward_fill().over("origin")
    return rows.select("origin", "time_hour", dry_hours=since.dt.total_hours())
