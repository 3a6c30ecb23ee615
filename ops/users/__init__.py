"""``mobius users``: who may come in. A user is an identity to sign in with, and a row of the tenant."""
