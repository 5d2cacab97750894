"""Themed charts on pyqtgraph. Import :mod:`app.plots.chart` only after the shell is painted."""
