# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemon threads for calls that block: one that hangs in a C library dies with the process, and not the other way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def settle(future: Future[Any], call: Callable[[], Any]) -> None:
    """Run the call and end the future with its result or its error, unless it was cancelled before or meanwhile."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except StopIteration as error:  # which asyncio could not pass on, so that its waiter would wait forever
        future.set_exception(RuntimeError(f"unforeseen StopIteration {error}"))
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the future
        future.set_exception(error)
    else:
        future.set_result(result)


def start(future: Future[Any], call: Callable[[], Any]) -> None:
    """Run one call in a thread of its own."""
    Thread(target=settle, args=(future, call), daemon=True).start()


class Worker:
    """One thread that runs calls in the order they come."""

    def __init__(self) -> None:
        self._todo: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        Thread(target=self._work, daemon=True).start()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Queue a call."""
        future: Future[T] = Future()
        self._todo.put((future, call))
        return future

    def end(self) -> None:
        """Let the thread end when it has done what is queued."""
        self._todo.put(None)

    def _work(self) -> None:
        while job := self._todo.get():
            settle(*job)


def side_by_side(call: Callable[[T], R], items: Sequence[T], parallel: int) -> list[R]:
    """Call for every item, at most `parallel` at a time, and return the results in order; the first error is raised."""
    todo: SimpleQueue[tuple[Future[R], T]] = SimpleQueue()
    futures: list[Future[R]] = [Future() for _item in items]
    for pair in zip(futures, items, strict=True):
        todo.put(pair)

    def work() -> None:
        while not todo.empty():
            try:
                future, item = todo.get_nowait()
            except Empty:
                return
            settle(future, partial(call, item))

    for _worker in range(min(parallel, len(items))):
        Thread(target=work, daemon=True).start()
    return [future.result() for future in futures]
