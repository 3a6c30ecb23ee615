"""Injects the drawn faults, each when so many Sends have begun."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.storm.faults import DEADLY, Fault
from tests.storm.ground import Ground
from tests.storm.parts import Parts
from tests.storm.vandal import Vandal

_AT_ONCE = 4
_POLL_S = 0.05
_AGAIN_S = 0.5
_LONGEST_DELAY_S = 0.3
_HURTS_A_PROCESS = (*DEADLY, "crash", "freeze")


@dataclass(frozen=True)
class Inflicted:
    """A fault that happened, in monotonic seconds."""

    fault: Fault
    began: float
    ended: float


class Driver:
    """Hurts the stack until all faults have happened.

    A fault that can't happen yet, because its part is down or died too lately, waits and lets others go
    first; the Sends may not run further ahead of it than ``slack``.
    """

    def __init__(self, ground: Ground, parts: Parts, vandal: Vandal, faults: list[Fault], slack: int) -> None:
        self._ground = ground
        self._parts = parts
        self._vandal = vandal
        self._faults = faults
        self._slack = slack
        self._lock = threading.Lock()
        self._undone = list(faults)
        self._stop = threading.Event()
        self.inflicted: list[Inflicted] = []
        self.wrong: list[str] = []
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fault")

    def may_begin(self, number: int) -> bool:
        """Whether a Send is not too far ahead of the faults."""
        with self._lock:
            return not self._undone or number <= self._undone[0].at + self._slack

    def run(self, begun: Callable[[], int]) -> None:
        """Returns when every fault has happened and is over, or ``stop`` was called."""
        waiting = list(self._faults)
        not_before = dict.fromkeys(self._faults, 0.0)
        under_way = threading.BoundedSemaphore(_AT_ONCE)
        while waiting and not self._stop.is_set():
            sends, now = begun(), time.monotonic()
            for fault in [each for each in waiting if each.at <= sends and not_before[each] <= now]:
                if not under_way.acquire(blocking=False):
                    break
                if not self._take(fault):
                    under_way.release()
                    not_before[fault] = now + _AGAIN_S / 5
                    continue
                waiting.remove(fault)

                def do(fault: Fault = fault) -> None:
                    try:
                        if not self._do(fault):
                            not_before[fault] = time.monotonic() + _AGAIN_S
                            waiting.append(fault)
                    finally:
                        under_way.release()

                self._pool.submit(do)
            time.sleep(_POLL_S)
            if not waiting:
                # One of those under way may have to be done again.
                for _ in range(_AT_ONCE):
                    under_way.acquire()
                for _ in range(_AT_ONCE):
                    under_way.release()
        self._pool.shutdown()

    def stop(self) -> None:
        """Hurts no more."""
        self._stop.set()

    def _take(self, fault: Fault) -> bool:
        if fault.kind in _HURTS_A_PROCESS:
            return self._parts.take(fault.target, deadly=fault.kind in DEADLY)
        return True

    def _do(self, fault: Fault) -> bool:
        began = time.monotonic()
        try:
            done = self._inflict(fault)
        except Exception as error:  # noqa: BLE001 -- a fault that can't be done is a fault of the storm
            self.wrong.append(
                f"{fault.kind} of {fault.target} could not be done: {type(error).__name__}: {error}"
            )
            done = True
        finally:
            if fault.kind in _HURTS_A_PROCESS:
                self._parts.leave(fault.target)
        if done:
            with self._lock:
                self._undone.remove(fault)
                self.inflicted.append(Inflicted(fault, began, time.monotonic()))
        return done

    def _inflict(self, fault: Fault) -> bool:
        kind, target, chance = fault.kind, fault.target, fault.chance
        if target == "documents":
            return self._vandal.inflict(kind, chance)
        if target == "push":
            self._push(fault)
        elif kind == "kill":
            self._parts.end(target, signal.SIGKILL)
        elif kind == "deploy":
            self._parts.end(target, signal.SIGTERM)
        elif kind == "crash":
            return self._parts.kill_child(target, chance.random())
        elif kind == "freeze":
            self._parts.freeze(target, fault.for_s)
        else:
            self._hinder(fault)
        return True

    def _hinder(self, fault: Fault) -> None:
        proxy = self._ground.proxies[fault.target]
        if fault.kind == "cut":
            proxy.cut()
        elif fault.kind == "cut in mid-answer":
            proxy.cut_answers(fault.chance.randint(1, 6))
        elif fault.kind == "delay":
            proxy.delay(_LONGEST_DELAY_S, fault.for_s)
            time.sleep(fault.for_s)
        else:
            proxy.go_dark(fault.for_s)
            time.sleep(fault.for_s)

    def _push(self, fault: Fault) -> None:
        pushes, count = self._ground.pushes, fault.chance.randint(1, 12)
        if fault.kind == "repeat":
            pushes.repeat(count, after_s=fault.chance.choice((0.0, 0.3, 3.0)))
        elif fault.kind == "refuse":
            pushes.refuse(count)
        elif fault.kind == "lose":
            pushes.lose(count)
        else:
            pushes.reverse(fault.for_s)
