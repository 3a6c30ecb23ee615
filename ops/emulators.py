"""The official Pub/Sub and Firestore emulators, found in the installed Google Cloud SDK.

Their Java programs are started directly: the ``gcloud`` wrapper leaves its Java child behind when it
is interrupted, and takes two seconds longer.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import requests

from ops.supervisor import Part
from shared.settings import LOCAL_TIMEOUT_S

DEAD_LETTER_SUFFIX = "-dead"
PUSH_SUBSCRIPTION = "mobius-projector"
DEAD_LETTER_SUBSCRIPTION = "mobius-dead"
_PUBSUB = Path("platform/pubsub-emulator/bin/cloud-pubsub-emulator")
_FIRESTORE = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
_FIRESTORE_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_LAST_SDK_FOR_JAVA_17 = 528


class NotInstalled(Exception):
    """Something that a person has to install is missing; the message says what and how."""


def find_sdk() -> Path:
    """The root of the installed Google Cloud SDK with both emulators.

    Raises NotInstalled when gcloud, an emulator or a fitting Java is missing.
    """
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        raise NotInstalled(
            "The Google Cloud SDK is missing (no gcloud on PATH). Install it: "
            "https://cloud.google.com/sdk/docs/install, or on Debian: apt-get install google-cloud-cli"
        )
    sdk = _sdk_root(gcloud)
    for name, program, package in (
        ("Pub/Sub", _PUBSUB, "pubsub-emulator"),
        ("Firestore", _FIRESTORE, "cloud-firestore-emulator"),
    ):
        if not (sdk / program).exists():
            debian = f"google-cloud-cli-{package.removeprefix('cloud-')}"
            raise NotInstalled(
                f"The {name} emulator is missing. Install it: gcloud components install {package}, "
                f"or on Debian: apt-get install {debian}"
            )
    _check_java(_java_needed(sdk))
    return sdk


def _sdk_root(gcloud: str) -> Path:
    """The SDK's folder, read from where ``gcloud`` lies; asking gcloud itself takes a second."""
    root = Path(gcloud).resolve().parent.parent
    if (root / "platform").is_dir():
        return root
    asked = subprocess.run(
        (gcloud, "info", "--format=value(installation.sdk_root)"), capture_output=True, text=True, check=False
    )
    return Path(asked.stdout.strip() or root)


def _java_needed(sdk: Path) -> int:
    """The oldest Java that this SDK's Firestore emulator runs on."""
    try:
        release = int((sdk / "VERSION").read_text().split(".")[0])
    except (OSError, ValueError):
        release = 0
    return 17 if release <= _LAST_SDK_FOR_JAVA_17 else 21


def _check_java(needed: int) -> None:
    how = f"Install it: https://adoptium.net, or on Debian: apt-get install openjdk-{needed}-jre-headless"
    java = shutil.which(_java())
    if java is None:
        raise NotInstalled(f"Java is missing; the emulators need version {needed} or newer. {how}")
    said = subprocess.run((java, "-version"), capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < needed:
        version = found[1] if found else "unknown"
        raise NotInstalled(
            f"Java is too old (version {version}); the emulators need {needed} or newer. {how}"
        )


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    return str(Path(home, "bin", "java")) if home else "java"


def pubsub_part(sdk: Path, port: int, after_restart: Callable[[], None]) -> Part:
    """The Pub/Sub emulator. It forgets everything when it ends."""
    return Part(
        name="pubsub",
        # The launcher replaces itself with Java.
        command=(str(sdk / _PUBSUB), "--host=127.0.0.1", f"--port={port}"),
        env=dict(os.environ),
        is_ready=lambda: answers(f"http://127.0.0.1:{port}/v1/projects/ready/topics"),
        after_restart=after_restart,
        quiet=True,
    )


def firestore_part(sdk: Path, port: int, rules: Path, after_restart: Callable[[], None]) -> Part:
    """The Firestore emulator under the security rules of the file ``rules``. It forgets everything too."""
    return Part(
        name="firestore",
        command=(
            _java(),
            "-Duser.language=en",  # the emulator's own launcher sets it: other languages are not supported
            *("-cp", str(sdk / _FIRESTORE), _FIRESTORE_CLASS),
            *("start", "--host=127.0.0.1", f"--port={port}", f"--rules={rules}"),
        ),
        env=dict(os.environ),
        is_ready=lambda: answers(f"http://127.0.0.1:{port}/"),
        after_restart=after_restart,
        quiet=True,
    )


def answers(url: str) -> bool:
    """Whether an HTTP server answers at ``url``, whatever it says short of a server error."""
    try:
        return local_session().get(url, timeout=LOCAL_TIMEOUT_S).status_code < 500
    except requests.RequestException:
        return False


def make_topics(*, host: str, project_id: str, topic: str, push_to: str) -> None:
    """Makes the topic, its push subscription to the projector, and the dead letters' topic and subscription.

    What exists already is kept. Raises requests.RequestException when the emulator refuses.
    """
    project = f"projects/{project_id}"
    dead = f"{project}/topics/{topic}{DEAD_LETTER_SUFFIX}"
    resources: tuple[tuple[str, Mapping[str, object]], ...] = (
        (f"{project}/topics/{topic}", {}),
        (dead, {}),
        (f"{project}/subscriptions/{DEAD_LETTER_SUBSCRIPTION}", {"topic": dead}),
        (
            f"{project}/subscriptions/{PUSH_SUBSCRIPTION}",
            {
                "topic": f"{project}/topics/{topic}",
                "pushConfig": {"pushEndpoint": push_to},
                "ackDeadlineSeconds": 30,
                "retryPolicy": {"minimumBackoff": "1s", "maximumBackoff": "10s"},
                "deadLetterPolicy": {"deadLetterTopic": dead, "maxDeliveryAttempts": 5},
            },
        ),
    )
    session = local_session()
    for name, body in resources:
        response = session.put(f"http://{host}/v1/{name}", json=body, timeout=LOCAL_TIMEOUT_S)
        if response.status_code != requests.codes.conflict:
            response.raise_for_status()


def local_session() -> requests.Session:
    """A session that a proxy in the environment can't lead away from loopback."""
    session = requests.Session()
    session.trust_env = False
    return session
