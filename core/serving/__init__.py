"""The runtime that runs on a target: it verifies releases, serves the current one, and proves what it did.

It ships to hosts that have nothing else of ours, so it imports only the contract and the kernel.
"""
