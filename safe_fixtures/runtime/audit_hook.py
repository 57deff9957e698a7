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

"""Pass interpreter events (PEP 578) to handlers.

A process gets one hook, since no hook can be removed. Each event costs one
dictionary lookup, and the dictionary is empty while nobody watches.
"""

import _thread
from collections.abc import Callable, Iterator, Mapping
import contextlib
import sys
from typing import Any

__all__ = ['Handler', 'handlers', 'unseen', 'watch']

Handler = Callable[[str, tuple[Any, ...]], None]

_handlers: dict[str, Handler] = {}
# The threads and greenlets that are in a handler; their own events are not
# passed on.
_busy: set[int] = set()
_hooked = False


def watch(handlers: Mapping[str, Handler]) -> None:
    """Pass these events to these handlers, and no others.

    An exception of a handler goes to the caller that caused the event.

    :param handlers: by the names of the events; replaces all earlier ones.
    """
    global _hooked
    for name in _handlers.keys() - handlers.keys():
        del _handlers[name]
    _handlers.update(handlers)
    if handlers and not _hooked:
        _hooked = True
        sys.addaudithook(_hook)


def handlers() -> Mapping[str, Handler]:
    """Return the active handlers, by the names of their events."""
    return _handlers


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Hide what this thread or greenlet does in the block."""
    ident = _thread.get_ident()
    hidden = ident in _busy
    try:
        _busy.add(ident)
        yield
    finally:
        if not hidden:
            _busy.discard(ident)


# What the hook needs is bound early: when the interpreter ends, the module
# may be empty already.
def _hook(
    event: str,
    args: tuple[Any, ...],
    handlers: Mapping[str, Handler] = _handlers,
) -> None:
    if event in handlers:
        _dispatch(event, args)


def _dispatch(
    event: str,
    args: tuple[Any, ...],
    handlers: Mapping[str, Handler] = _handlers,
    busy: set[int] = _busy,
    thread: Any = _thread,
    is_finalizing: Callable[[], bool] = sys.is_finalizing,
) -> None:
    # Not bound early: eventlet patches it, for each greenlet.
    ident = thread.get_ident()
    handler = handlers.get(event)
    if ident in busy or handler is None or is_finalizing():
        return
    try:  # A signal can raise anywhere.
        busy.add(ident)
        handler(event, args)
    finally:
        busy.discard(ident)
