"""Where checkpoints are kept: files that are written once, whole, and never again."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from shared.errors import MobiusError

_TRIES = 5
"""How many time-outs a call may take together: the client tries again by itself."""
_PART = 8 * 1024 * 1024

_Failures = tuple[type[Exception], ...]


class NotStored(Exception):
    """There is no file of that name."""


class StoreUnavailable(MobiusError):
    """Files can be neither read nor written, so there is no telling what is there."""

    status = 503
    title = "Temporarily unavailable"
    detail = (
        "The store of checkpoints can't be reached: check CHECKPOINT_STORE, and the rights of who runs this."
    )


class CheckpointStore(Protocol):
    """Named files; names are relative paths with slashes. What is there can't be changed through it."""

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin with ``prefix``, a folder with its slash, in no order."""

    def read(self, name: str) -> bytes:
        """What a file holds. Raises NotStored."""

    def create(self, name: str, content: bytes) -> bool:
        """Writes a file that was not there; False, and nothing happens, when one was.

        Whoever reads meets all of it or none, also when this is killed halfway.
        """


class FolderStore:
    """A folder of this machine; nothing in it is ever written twice, and its owner can't by mistake."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self, prefix: str) -> Iterator[str]:
        """As the port says; the drafts of a process that was killed are none."""
        below = self._path(prefix)
        with _reached((OSError,)):
            found = [path for path in below.rglob("*") if path.is_file() and not path.name.startswith(".")]
        for path in found:
            yield path.relative_to(self._folder).as_posix()

    def read(self, name: str) -> bytes:
        """As the port says."""
        path = self._path(name)
        try:
            with _reached((OSError,), but=(FileNotFoundError,)):
                return path.read_bytes()
        except FileNotFoundError:
            raise NotStored(name) from None

    def create(self, name: str, content: bytes) -> bool:
        """As the port says; it is on the disk when this returns."""
        path = self._path(name)
        draft = path.with_name(f".{secrets.token_hex(8)}.draft")
        with _reached((OSError,)):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                # A second name for what is complete: unlike a rename, it never takes the place of another.
                path.hardlink_to(draft)
            except FileExistsError:
                return False
            finally:
                with contextlib.suppress(FileNotFoundError):
                    draft.unlink()
            # The names too, up to the folder that was there from the start.
            for folder in (path.parent, *path.parent.parents):
                _settle(folder)
                if folder == self._folder:
                    break
        return True

    def _path(self, name: str) -> Path:
        return self._folder / _checked(name)


class BucketStore:
    """A bucket of Google Cloud Storage, below ``prefix``; what keeps its objects is the bucket's retention.

    ``timeout_s`` is for each answer that it waits for.
    """

    def __init__(self, bucket: str, prefix: str, timeout_s: float) -> None:
        # Imported where there is a bucket only: it takes as long as half a cold start.
        from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.storage import Client
        from google.cloud.storage.retry import DEFAULT_RETRY

        self._not_found, self._precondition_failed = NotFound, PreconditionFailed
        # What its HTTP client raises is an OSError.
        self._failures = (GoogleAPIError, GoogleAuthError, OSError)
        with _reached(self._failures):
            self._bucket: Any = Client().bucket(bucket)
        self._prefix = f"{prefix}/" if prefix else ""
        self._waits = {"timeout": timeout_s, "retry": DEFAULT_RETRY.with_timeout(timeout_s * _TRIES)}

    def names(self, prefix: str) -> Iterator[str]:
        """As the port says."""
        below = f"{self._prefix}{_checked(prefix)}/"
        with _reached(self._failures):
            found = [
                str(blob.name)
                for blob in self._bucket.list_blobs(
                    prefix=below, fields="items(name),nextPageToken", **self._waits
                )
            ]
        for name in found:
            yield name.removeprefix(self._prefix)

    def read(self, name: str) -> bytes:
        """As the port says."""
        blob = self._bucket.blob(self._prefix + str(_checked(name)))
        try:
            with _reached(self._failures, but=(self._not_found,)):
                return bytes(blob.download_as_bytes(**self._waits))
        except self._not_found:
            raise NotStored(name) from None

    def create(self, name: str, content: bytes) -> bool:
        """As the port says; False too when an answer was lost and the client's second try met the first."""
        # In parts, so that a large one needs no longer time-out than a small one.
        blob = self._bucket.blob(self._prefix + str(_checked(name)), chunk_size=_PART)
        try:
            with _reached(self._failures, but=(self._precondition_failed,)):
                blob.upload_from_string(
                    content, content_type="application/octet-stream", if_generation_match=0, **self._waits
                )
        except self._precondition_failed:
            return False
        return True


def _checked(name: str) -> PurePosixPath:
    """A name that stays where it belongs."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts:
        raise ValueError("a name is a path below the store")
    return path


@contextlib.contextmanager
def _reached(failures: _Failures, *, but: _Failures = ()) -> Iterator[None]:
    """Says what can't be mended here in a sentence; what is an answer (``but``) goes through."""
    try:
        yield
    except failures as error:
        if isinstance(error, but):
            raise
        raise StoreUnavailable from error


def _settle(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
