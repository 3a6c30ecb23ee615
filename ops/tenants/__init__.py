"""The tenants: who is here, what is kept of one as files, and how one leaves."""
