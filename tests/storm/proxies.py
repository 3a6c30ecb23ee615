"""What stands between the functions and a part: passes on what comes in, and cuts, delays or swallows it."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_POLL_S = 0.02
_CHUNK = 65_536


class Loop:
    """An event loop in a thread of its own, for all proxies."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True).start()

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        """Does it there, and waits for it."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(10)

    def call(self, doing: Callable[[], None]) -> None:
        """Does it there, soon."""
        self._loop.call_soon_threadsafe(doing)

    def close(self) -> None:
        """Ends it with everything that runs there."""
        self.run(_cancel_the_others())
        self._loop.call_soon_threadsafe(self._loop.stop)


async def _cancel_the_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Proxy:
    """A port that leads to another one. ``chance`` draws how long a delayed chunk is held."""

    def __init__(self, loop: Loop, upstream: int, chance: random.Random) -> None:
        self._loop = loop
        self._upstream = upstream
        self._chance = chance
        self._open: set[asyncio.StreamWriter] = set()
        self._dark_until = self._slow_until = self._gone_until = 0.0
        self._longest_s = 0.0
        self._answers_to_cut = 0
        self._server = loop.run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Breaks every connection off, with a reset."""
        self._loop.call(self._cut)

    def cut_answers(self, count: int) -> None:
        """Breaks the next ``count`` connections off in the middle of an answer."""
        self._answers_to_cut = count

    def delay(self, longest_s: float, for_s: float) -> None:
        """Holds each chunk for up to ``longest_s``, from now on for ``for_s``."""
        self._longest_s, self._slow_until = longest_s, time.monotonic() + for_s

    def go_dark(self, for_s: float) -> None:
        """Takes connections and what comes in, and passes nothing on, for ``for_s``."""
        self._dark_until = time.monotonic() + for_s

    def be_gone(self, for_s: float) -> None:
        """Breaks off what is open and whatever comes, for ``for_s``, as if nobody listened."""
        self._gone_until = time.monotonic() + for_s
        self.cut()

    def calm(self) -> None:
        """Hurts no more."""
        self._dark_until = self._slow_until = self._gone_until = 0.0
        self._answers_to_cut = 0

    def close(self) -> None:
        """Listens no more and breaks every connection off."""
        self._loop.call(self._server.close)
        self.cut()

    def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if time.monotonic() < self._gone_until:
            writer.transport.abort()
            return
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, upstream[1]}
        self._open |= both
        try:
            await asyncio.gather(
                self._pump(reader, upstream[1], answering=False),
                self._pump(upstream[0], writer, answering=True),
            )
        except OSError:
            pass
        finally:
            self._open -= both
            for each in both:
                # What was written still goes out, unless it was aborted.
                each.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answering: bool
    ) -> None:
        while data := await source.read(_CHUNK):
            while time.monotonic() < self._dark_until:
                await asyncio.sleep(_POLL_S)
            if time.monotonic() < self._slow_until:
                await asyncio.sleep(self._chance.uniform(0, self._longest_s))
            if answering and self._answers_to_cut > 0:
                self._answers_to_cut -= 1
                sink.write(data[: len(data) // 2])
                raise ConnectionAbortedError
            sink.write(data)
            await sink.drain()
        # Nothing more from one side: of these protocols none goes on with the other.
        raise ConnectionAbortedError
