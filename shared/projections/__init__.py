"""Firestore, the projection: documents, compare-and-set and the projector."""
