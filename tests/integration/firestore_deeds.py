"""What can be tried on Firestore, and what of it data.md allows.

OWN and OTHER stand for a world's tenants, USER for the visitor; DATABASE and ARCHIVE for its databases.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.integration.firestore_client import Answer, Json
from tests.integration.firestore_visitors import World

Deed = Callable[[World, str], Answer]
"""What a visitor, by name, tries in a world."""

A_PATIENT = "tenants/OWN/patient_state/KEY"
THEIR_PATIENT = "tenants/OTHER/patient_state/KEY"
MY_INBOX = "tenants/OWN/user_inbox/USER"
PRESENCE = "tenants/OWN/invocation_presence"
COLLECTIONS = ("patient_state", "user_inbox", "invocation_presence")


def rest(method: str, path: str, body: object = None) -> Deed:
    def deed(world: World, name: str) -> Answer:
        where, what = world.filled(name, (path, body))
        return world.firestore.ask(method, where, world.token(name), what)

    return deed


def full(path: str) -> str:
    return f"DATABASE/documents/{path}"


def get(path: str) -> Deed:
    return rest("GET", path)


def query(parent: str, collection: str | None, *, everywhere: bool = False, **more: object) -> Deed:
    source = {"allDescendants": everywhere, **({"collectionId": collection} if collection else {})}
    return rest("POST", f"{parent}:runQuery", {"structuredQuery": {"from": [source], **more}})


def count(parent: str, collection: str, *, everywhere: bool = False) -> Deed:
    counted = {"from": [{"collectionId": collection, "allDescendants": everywhere}]}
    body = {"structuredQuery": counted, "aggregations": [{"alias": "n", "count": {}}]}
    return rest("POST", f"{parent}:runAggregationQuery", {"structuredAggregationQuery": body})


def where(field: str, value: Json, op: str = "EQUAL") -> Json:
    return {"fieldFilter": {"field": {"fieldPath": field}, "op": op, "value": value}}


def named(path: str) -> Json:
    return where("__name__", {"referenceValue": full(path)})


def batch(*paths: str, **more: object) -> Deed:
    return rest("POST", ":batchGet", {"documents": [full(path) for path in paths], **more})


def in_a_transaction(path: str) -> Deed:
    """Anybody may begin one; what they read in it is another matter."""

    def deed(world: World, name: str) -> Answer:
        begun = rest("POST", ":beginTransaction", {"options": {"readOnly": {}}})(world, name)
        if not begun.allowed:
            return begun
        return batch(path, transaction=json.loads(begun.text)["transaction"])(world, name)

    return deed


def commit(*writes: Json, endpoint: str = "commit") -> Deed:
    return rest("POST", f":{endpoint}", {"writes": list(writes)})


def create(path: str) -> Deed:
    collection, _, name = path.rpartition("/")
    return rest("POST", f"{collection}?documentId={name}", {"fields": {}})


def update(path: str) -> Json:
    return {"update": {"name": full(path), "fields": {"active": {"booleanValue": True}}}}


def verify(path: str, *, exists: bool = True) -> Deed:
    return commit({"verify": full(path), "currentDocument": {"exists": exists}})


def streamed(write: Json) -> Deed:
    def deed(world: World, name: str) -> Answer:
        return world.firestore.write(world.token(name), world.filled(name, [write]))

    return deed


def listen(path: str) -> Deed:
    return listen_to({"documents": {"documents": [full(path)]}})


def listen_to_all(parent: str, collection: str, *, everywhere: bool = False) -> Deed:
    source = {"collectionId": collection, "allDescendants": everywhere}
    asked = {"parent": full(parent).rstrip("/"), "structuredQuery": {"from": [source]}}
    return listen_to({"query": asked})


def listen_to(target: Json) -> Deed:
    def deed(world: World, name: str) -> Answer:
        return world.firestore.listen(world.token(name), world.filled(name, target))

    return deed


# What is allowed, and what is not ---------------------------------------------------------------------------

NO_MATCH = where("what", {"stringValue": "nothing that is there"})

MAY: dict[str, Deed] = {
    "get a patient": get(A_PATIENT),
    "get a field of a patient": get(f"{A_PATIENT}?mask.fieldPaths=what"),
    "get a patient among others": batch(A_PATIENT, MY_INBOX),
    "get a patient in a transaction": in_a_transaction(A_PATIENT),
    "listen to a patient": listen(A_PATIENT),
    "get their own inbox": get(MY_INBOX),
    "listen to their own inbox": listen(MY_INBOX),
    "list the presence": get(PRESENCE),
    "query the presence": query("tenants/OWN", "invocation_presence"),
    "query the presence with a filter": query(
        "tenants/OWN", "invocation_presence", where=named(f"{PRESENCE}/i")
    ),
    "listen to the presence": listen_to_all("tenants/OWN", "invocation_presence"),
}
"""Each shows something of the own tenant."""

MAY_BUT_SEE_NOTHING: dict[str, Deed] = {
    "get a patient who isn't there": get("tenants/OWN/patient_state/nobody"),
    "listen for a patient who isn't there": listen("tenants/OWN/patient_state/nobody"),
    "make sure that a patient is there": verify(A_PATIENT),
    "make sure that a patient isn't there": verify(A_PATIENT, exists=False),
    "count the presence": count("tenants/OWN", "invocation_presence"),
    "query the presence and find none": query("tenants/OWN", "invocation_presence", where=NO_MATCH),
}

MAY_NOT: dict[str, Deed] = {
    # Lists of what may only be got by who knows the key.
    "list patients": get("tenants/OWN/patient_state"),
    "list patients a page at a time": get("tenants/OWN/patient_state?pageSize=1"),
    "list patients, those missing too": get("tenants/OWN/patient_state?showMissing=true"),
    "list inboxes": get("tenants/OWN/user_inbox"),
    "list presence, that missing too": get(f"{PRESENCE}?showMissing=true"),
    "get one presence": get(f"{PRESENCE}/i"),
    "get a presence that isn't there": get(f"{PRESENCE}/none"),
    "listen to one presence": listen(f"{PRESENCE}/i"),
    "query patients": query("tenants/OWN", "patient_state"),
    "query patients for one": query("tenants/OWN", "patient_state", limit=1),
    "query patients for none": query("tenants/OWN", "patient_state", limit=0),
    "query patients with a filter": query("tenants/OWN", "patient_state", where=NO_MATCH),
    "query a patient by name": query("tenants/OWN", "patient_state", where=named(A_PATIENT), limit=1),
    "query their own inbox by name": query("tenants/OWN", "user_inbox", where=named(MY_INBOX), limit=1),
    "query inboxes": query("tenants/OWN", "user_inbox"),
    "query every collection": query("tenants/OWN", None),
    "query everything below the tenant": query("tenants/OWN", None, everywhere=True),
    "query everything": query("", None, everywhere=True),
    "listen to all patients": listen_to_all("tenants/OWN", "patient_state"),
    "listen to all inboxes": listen_to_all("tenants/OWN", "user_inbox"),
    "count patients": count("tenants/OWN", "patient_state"),
    **{
        f"{how} {collection} of all tenants": deed
        for collection in COLLECTIONS
        for how, deed in {
            "query": query("", collection, everywhere=True),
            "query, below their own tenant,": query("tenants/OWN", collection, everywhere=True),
            "listen to": listen_to_all("", collection, everywhere=True),
            "count": count("", collection, everywhere=True),
        }.items()
    },
    # The names of things.
    "list tenants": get("tenants"),
    "list tenants, those missing too": get("tenants?showMissing=true"),
    "list collections": rest("POST", ":listCollectionIds", {}),
    "list the collections of the tenant": rest("POST", "tenants/OWN:listCollectionIds", {}),
    "list the collections of a patient": rest("POST", f"{A_PATIENT}:listCollectionIds", {}),
    # What is nobody's.
    "get the tenant": get("tenants/OWN"),
    "get what lies below a patient": get(f"{A_PATIENT}/notes/n"),
    "list what lies below a patient": get(f"{A_PATIENT}/notes"),
    "query what lies below all patients": query("", "notes", everywhere=True),
    "get what lies below an inbox": get("tenants/OWN/user_inbox/colleague/drafts/n"),
    "get from a collection that nobody knows": get("tenants/OWN/patient_secret/x"),
    "get what lies outside of the tenants": get("clinics/OWN"),
    "list what lies outside of the tenants": get("clinics"),
    "get from another database": get("/v1/ARCHIVE/documents/tenants/OWN/patient_state/KEY"),
    "list in another database": get("/v1/ARCHIVE/documents/tenants/OWN/invocation_presence"),
    "get from another project": get("/v1/projects/elsewhere/databases/(default)/documents/" + A_PATIENT),
    # What is somebody else's.
    "get a colleague's inbox": get("tenants/OWN/user_inbox/colleague"),
    "get an inbox that isn't there": get("tenants/OWN/user_inbox/nobody"),
    "listen to a colleague's inbox": listen("tenants/OWN/user_inbox/colleague"),
    "get a colleague's inbox beside their own": batch(MY_INBOX, "tenants/OWN/user_inbox/colleague"),
}

OF_ANOTHER_TENANT: dict[str, Deed] = {
    "get a patient": get(THEIR_PATIENT),
    "get a patient who isn't there": get("tenants/OTHER/patient_state/nobody"),
    "get a patient beside one's own": batch(A_PATIENT, THEIR_PATIENT),
    "get a patient in a transaction": in_a_transaction(THEIR_PATIENT),
    "get a patient in a new transaction": batch(THEIR_PATIENT, newTransaction={"readOnly": {}}),
    "get a patient of the API's first version": get(f"/v1beta1/{full(THEIR_PATIENT)}"),
    "make sure that a patient is there": verify(THEIR_PATIENT),
    "make sure that a patient isn't there": verify("tenants/OTHER/patient_state/nobody", exists=False),
    "listen to a patient": listen(THEIR_PATIENT),
    "get the inbox of the same user": get("tenants/OTHER/user_inbox/USER"),
    "get an inbox": get("tenants/OTHER/user_inbox/colleague"),
    "list the presence": get("tenants/OTHER/invocation_presence"),
    "query the presence": query("tenants/OTHER", "invocation_presence"),
    "query the presence and find none": query("tenants/OTHER", "invocation_presence", where=NO_MATCH),
    "listen to the presence": listen_to_all("tenants/OTHER", "invocation_presence"),
    "count the presence": count("tenants/OTHER", "invocation_presence"),
    "query patients": query("tenants/OTHER", "patient_state"),
}

WRITES: dict[str, Deed] = {
    **{
        f"{how} {what}": deed
        for what, path in {
            "a patient": A_PATIENT,
            "their own inbox": MY_INBOX,
            "a colleague's inbox": "tenants/OWN/user_inbox/colleague",
            "a presence": f"{PRESENCE}/i",
            "the tenant": "tenants/OWN",
            "something below a patient": f"{A_PATIENT}/notes/n",
            "something new": "tenants/OWN/patient_state/new",
            "something outside of the tenants": "clinics/OWN",
            "a patient of another tenant": THEIR_PATIENT,
            "an inbox in another tenant": "tenants/OTHER/user_inbox/USER",
        }.items()
        for how, deed in {
            "create": rest(
                "POST", f"{path.rpartition('/')[0]}?documentId={path.rpartition('/')[2]}", {"fields": {}}
            ),
            "update": rest("PATCH", path, {"fields": {"active": {"booleanValue": True}}}),
            "delete": rest("DELETE", path),
            "commit": commit(update(path)),
            "commit, among a reading of their own,": commit(
                {"verify": full(A_PATIENT), "currentDocument": {"exists": True}}, update(path)
            ),
            "delete, if it isn't there,": commit(
                {"delete": full(path), "currentDocument": {"exists": False}}
            ),
            "stream": streamed(update(path)),
        }.items()
    },
    "write a batch": commit(update(MY_INBOX), endpoint="batchWrite"),
    "write an empty batch": commit(endpoint="batchWrite"),
    "have their inbox say now": commit(
        {
            "transform": {
                "document": full(MY_INBOX),
                "fieldTransforms": [{"fieldPath": "active", "setToServerValue": "REQUEST_TIME"}],
            }
        }
    ),
}
