"""The Sidecar surface."""
