"""What is deployed: one folder per surface, one target per endpoint."""
