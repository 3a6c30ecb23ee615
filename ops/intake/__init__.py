"""The intake: patients and what is known about their money come in from the outside, as FHIR R4.

``command`` is what an operator types, ``run`` reads each file twice: ``reading`` streams it, ``judging`` asks
the FHIR library what is valid, ``resources`` takes the few fields out that count. ``patients`` tells who
somebody is, ``telling`` and ``facts`` what a resource says without PHI, ``stamps`` by which names resources
point at each other. ``staging`` holds that until the patient comes by, ``signals`` derives, ``store`` writes,
``report`` tells what became of everything.
"""
