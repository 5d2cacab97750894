"""The shared layer: one definition of schema, checks, transformations and golden rows.

Training, batch scoring, serving and monitoring all read it from here. It runs on targets too, so it
imports nothing of ours but the kernel and nothing heavier than numpy and Polars.
"""
