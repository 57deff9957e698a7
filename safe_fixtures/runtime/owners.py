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

"""Know on whose behalf a thread or a greenlet runs."""

from _thread import get_ident
from collections.abc import Callable
from concurrent import futures
import contextlib
import contextvars
import functools
import sys
import threading
from typing import Any
import weakref

from safe_fixtures.runtime import patching

__all__ = ['Owner', 'find', 'follow']

_OWNER = '_safe_fixtures_owner'

# Whom the task that is worked on belongs to.
_working: contextvars.ContextVar['Owner | None'] = contextvars.ContextVar(
    'safe_fixtures_working', default=None
)


class Owner:
    """Somebody who starts threads and greenlets."""

    def __init__(self) -> None:
        self._started: dict[int, weakref.ref[Any]] = {}

    def is_alive(self) -> bool:
        """Whether something that it started may still run."""
        return any(
            _is_alive(started()) for started in list(self._started.values())
        )

    def own(self, started: Any) -> None:
        """Take what it starts now for its own."""
        vars(started)[_OWNER] = self
        key = id(started)
        self._started[key] = weakref.ref(
            started, lambda _: self._started.pop(key, None)
        )


def follow(current: Callable[[], Owner | None]) -> Callable[[], None]:
    """Note who starts each thread and greenlet from now on.

    :param current: returns whom those belong to that are started now.
    :returns: a callable that ends it; what is noted stays.
    """

    def noting(method: Any) -> Any:
        @functools.wraps(method)
        def noted(started: Any, *args: Any, **kwargs: Any) -> Any:
            _note(started, current())
            return method(started, *args, **kwargs)

        return noted

    def noting_spawned(spawn: Any) -> Any:
        @functools.wraps(spawn)
        def noted(*args: Any, **kwargs: Any) -> Any:
            spawned = spawn(*args, **kwargs)
            _note(spawned[1], current())
            return spawned

        return noted

    def submitting(submit: Any) -> Any:
        @functools.wraps(submit)
        def noted(pool: Any, task: Any, /, *args: Any, **kwargs: Any) -> Any:
            owner = current()
            if owner is not None:
                task = functools.partial(_work_for, owner, task)
            return submit(pool, task, *args, **kwargs)

        return noted

    def patch_eventlet(greenthread: Any) -> Callable[[], None]:
        with contextlib.ExitStack() as stack:
            cls = greenthread.GreenThread
            stack.callback(_patch(cls, '__init__', noting))
            stack.callback(_patch(greenthread, '_spawn_n', noting_spawned))
            return stack.pop_all().close

    with contextlib.ExitStack() as stack:
        stack.callback(_patch(threading.Thread, 'start', noting))
        stack.callback(
            _patch(futures.ThreadPoolExecutor, 'submit', submitting)
        )
        stack.callback(
            patching.patch_when_imported(
                'eventlet.greenthread', patch_eventlet
            )
        )
        return stack.pop_all().close


def find() -> Owner | None:
    """Return the owner of the thread or greenlet that runs this, or None.

    That of a task that a pool works on is who gave it to the pool.
    """
    working = _working.get()
    if working is not None:
        return working
    # While greenlet is imported it is there, and empty.
    getcurrent = getattr(sys.modules.get('greenlet'), 'getcurrent', None)
    current = None if getcurrent is None else getcurrent()
    while current is not None:
        owner: Owner | None = vars(current).get(_OWNER)
        if owner is not None:
            return owner
        current = current.parent
    # Not current_thread(), which makes one up for what is none.
    thread = threading._active.get(get_ident())  # type: ignore[attr-defined]
    return None if thread is None else vars(thread).get(_OWNER)


def _work_for(owner: Owner, task: Any, *args: Any, **kwargs: Any) -> Any:
    token = _working.set(owner)
    try:
        return task(*args, **kwargs)
    finally:
        _working.reset(token)


def _note(started: Any, owner: Owner | None) -> None:
    if owner is not None:
        owner.own(started)


def _patch(
    target: Any, name: str, wrap: Callable[[Any], Any]
) -> Callable[[], None]:
    return patching.patch_attribute(target, name, wrap(vars(target)[name]))


def _is_alive(started: Any) -> bool:
    if isinstance(started, threading.Thread):
        return started.is_alive()
    return started is not None and not started.dead
