# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Know who started a thread or a greenlet."""

from _thread import get_ident
from collections.abc import Callable
from concurrent import futures
import contextvars
import functools
import sys
import threading
from typing import Any
import weakref

from safe_fixtures.runtime import patching

__all__ = ['Owner', 'find', 'follow']

_OWNER = '_safe_fixtures_owner'

# The owner of the task that a pool works on now.
_working: contextvars.ContextVar['Owner | None'] = contextvars.ContextVar(
    'safe_fixtures_working', default=None
)


class Owner:
    """Starts threads and greenlets, such as the guard of a test.

    :param test: the test it belongs to; default: none.
    """

    def __init__(self, test: object = None) -> None:
        self._started: dict[int, weakref.ref[Any]] = {}
        # Weak: a thread that outlives the test would keep it.
        self._test = None if test is None else weakref.ref(test)

    @property
    def test(self) -> object:
        """The test, or what equals none if it is gone; None without one."""
        return None if self._test is None else self._test() or self

    def is_alive(self) -> bool:
        """Whether a thread or greenlet that it started may still run."""
        return any(_is_alive(ref()) for ref in list(self._started.values()))

    def own(self, started: Any) -> None:
        """Note that it starts a thread or greenlet now."""
        vars(started)[_OWNER] = self
        key = id(started)
        self._started[key] = weakref.ref(
            started, lambda _: self._started.pop(key, None)
        )


def follow(current: Callable[[], Owner | None]) -> Callable[[], None]:
    """Note who starts each thread and greenlet from now on.

    :param current: returns the owner of what is started now, or None.
    :returns: a callable that stops noting; the notes stay.
    """

    def note(started: Any, *_: Any, **__: Any) -> None:
        owner = current()
        if owner is not None:
            owner.own(started)

    def spawn(function: Any, _: Any, args: Any, kwargs: Any) -> Any:
        spawned = function(*args, **kwargs)
        note(spawned[1])
        return spawned

    def submit(method: Any, _: Any, args: Any, kwargs: Any) -> Any:
        owner = current()
        if owner is not None:
            args = functools.partial(_work_for, owner, args[0]), *args[1:]
        return method(*args, **kwargs)

    def patch_eventlet(greenthread: Any) -> Callable[[], None]:
        return patching.patch_together(
            lambda: patching.call_before(
                greenthread.GreenThread, '__init__', note
            ),
            lambda: _wrap(greenthread, '_spawn_n', spawn),
        )

    return patching.patch_together(
        lambda: patching.call_before(threading.Thread, 'start', note),
        lambda: _wrap(futures.ThreadPoolExecutor, 'submit', submit),
        lambda: patching.patch_when_imported(
            'eventlet.greenthread', patch_eventlet
        ),
    )


def find() -> Owner | None:
    """Return the owner of the thread or greenlet that runs this, or None.

    A task that a pool works on belongs to who submitted it.
    """
    working = _working.get()
    if working is not None:
        return working
    # The module is empty while it is being imported.
    getcurrent = getattr(sys.modules.get('greenlet'), 'getcurrent', None)
    current = None if getcurrent is None else getcurrent()
    while current is not None:
        owner: Owner | None = vars(current).get(_OWNER)
        if owner is not None:
            return owner
        current = current.parent
    # current_thread() would make one up for a thread it does not know.
    thread = threading._active.get(get_ident())  # type: ignore[attr-defined]
    return None if thread is None else vars(thread).get(_OWNER)


def _work_for(owner: Owner, task: Any, *args: Any, **kwargs: Any) -> Any:
    token = _working.set(owner)
    try:
        return task(*args, **kwargs)
    finally:
        _working.reset(token)


def _wrap(target: Any, name: str, wrapper: Any) -> Callable[[], None]:
    patch = patching.wrapped_attribute(target, name, wrapper)
    return patching.patch_attribute(*patch)


def _is_alive(started: Any) -> bool:
    if isinstance(started, threading.Thread):
        return started.is_alive()
    return started is not None and not started.dead
