"""Messages that no projector took, and what can be done about them."""
