"""The Mini surface."""
