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

"""Who is changing a service now."""

from collections.abc import Iterator
import contextlib
import contextvars

from safe_fixtures.core import gate
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import stack

__all__ = [
    'described',
    'is_judged',
    'judge',
    'judged',
    'judged_by',
    'labelled',
    'silent',
]


# The services that are being changed and whose order is judged already.
_judged: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar(
    'safe_fixtures_judged', default=()
)


@contextlib.contextmanager
def judged(ref: model.ServiceRef) -> Iterator[None]:
    """Let nobody else judge what happens to a service in the block."""
    token = _judged.set((*_judged.get(), ref.uuid))
    try:
        yield
    finally:
        _judged.reset(token)


# Who judges what happens to services now, instead of the last watcher.
_judge: contextvars.ContextVar[model.Watcher | None] = contextvars.ContextVar(
    'safe_fixtures_judge', default=None
)


@contextlib.contextmanager
def judged_by(watcher: model.Watcher) -> Iterator[None]:
    """Let a watcher judge what happens to services in the block."""
    token = _judge.set(watcher)
    try:
        yield
    finally:
        _judge.reset(token)


def judge() -> model.Watcher | None:
    """Return who judges what happens to services now, if that is set."""
    return _judge.get()


def is_judged(ref: model.ServiceRef) -> bool:
    """Whether somebody has judged what happens to a service now."""
    return ref.uuid in _judged.get()


# What this package itself is doing to a service, for the ledger.
_doing: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    'safe_fixtures_toggle', default=None
)
# The toggles whose own restore is under way.
silent: contextvars.ContextVar[tuple[int, ...]] = contextvars.ContextVar(
    'safe_fixtures_silent', default=()
)


@contextlib.contextmanager
def labelled(what: str) -> Iterator[None]:
    # Found here: the change may come about in another thread.
    token = _doing.set(f'{what} ({stack.where()})')
    try:
        yield
    finally:
        _doing.reset(token)


def described(what: str | None = None) -> str:
    """Return what is changing a service now, and where it was called."""
    label = _doing.get()
    if label is not None:
        return label
    call = gate.current_call()
    if call is not None:
        what = str(call)
    return f'{what or "the record"} ({stack.where()})'
