"""Signed statements of how all chains stood: made, kept, and read again."""
