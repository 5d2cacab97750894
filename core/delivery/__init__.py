"""Delivery: payloads, packages, the offline runtime, and targets reached over SSH."""
