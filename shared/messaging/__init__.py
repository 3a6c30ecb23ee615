"""How a committed change is told: the outbox, the publisher and the message."""
