"""What every endpoint shares: registry, messages, identity, errors, logging."""
