"""The ground floor: errors, digests, ids, the clock, progress and records."""
