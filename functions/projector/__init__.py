"""The projector: the only writer of Firestore."""
