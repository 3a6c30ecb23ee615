"""Whether anything of the ledger was altered, and what: pure but for the statements that it asks."""
