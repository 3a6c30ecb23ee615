"""Sidecar's chat: questions about one patient, answered from the patient's state alone.

It commits nothing that a user says and stores nothing. ``Answerer`` is the port: behind it a
language model can be put later.
"""

from shared.chat.port import Answerer, Question, Reply, Source, SourceKind
from shared.chat.state_answerer import StateAnswerer

__all__ = ["Answerer", "Question", "Reply", "Source", "SourceKind", "StateAnswerer"]
