"""Identity, patient keys and hashes of what must not be kept."""
