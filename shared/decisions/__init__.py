"""The decision agents: pure functions that compute and never touch a store."""
