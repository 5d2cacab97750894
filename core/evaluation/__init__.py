"""Judging a model: the evaluation report, the gates that read its facts, and the page for reviewers."""
