"""``mobius projections``: whether the documents in Firestore say what Postgres says, and what mends them."""
