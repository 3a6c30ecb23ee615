"""The append-only audit ledger: its event catalogue and its hash chain."""
