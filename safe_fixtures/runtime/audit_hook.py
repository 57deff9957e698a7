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

"""See the events of the interpreter (PEP 578), of those who ask for some.

There is one hook in a process, as none can be taken out again. It costs what
looking up a name in a dictionary costs, and that dictionary is empty while
nobody asks.
"""

import _thread
from collections.abc import Callable, Iterator, Mapping
import contextlib
import sys
from typing import Any

__all__ = ['Handler', 'handlers', 'unseen', 'watch']

Handler = Callable[[str, tuple[Any, ...]], None]

_handlers: dict[str, Handler] = {}
# The threads and greenlets that are in a handler, whose own events nobody
# sees.
_busy: set[int] = set()
_hooked = False


def watch(handlers: Mapping[str, Handler]) -> None:
    """Have these handlers see these events, and no others any.

    What a handler raises, the caller of what the event tells of gets.

    :param handlers: by the names of the events.
    """
    global _hooked
    for name in _handlers.keys() - handlers.keys():
        del _handlers[name]
    _handlers.update(handlers)
    if handlers and not _hooked:
        _hooked = True
        sys.addaudithook(_hook)


def handlers() -> Mapping[str, Handler]:
    """Return the handlers that see events now."""
    return _handlers


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Have no handler see what this thread or greenlet does in it."""
    ident = _thread.get_ident()
    hidden = ident in _busy
    try:
        _busy.add(ident)
        yield
    finally:
        if not hidden:
            _busy.discard(ident)


# Whatever it needs is bound early: at the end of the interpreter the module
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
    # Not bound early, as eventlet gives each greenlet one.
    ident = thread.get_ident()
    handler = handlers.get(event)
    if ident in busy or handler is None or is_finalizing():
        return
    # Within it, as a signal can raise anywhere.
    try:
        busy.add(ident)
        handler(event, args)
    finally:
        busy.discard(ident)
