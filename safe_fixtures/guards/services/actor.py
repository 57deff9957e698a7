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

"""Who is changing a service now, and who called.

A service is changed by the toggle, by a restore, or by a request. One
context variable says by which: it follows the call from the test through the
API to the record.
"""

from collections.abc import Collection, Iterable, Iterator
import contextlib
import contextvars
import dataclasses
from types import CodeType
from typing import Any

from safe_fixtures.core import gate
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import stack

__all__ = ['Actor', 'acting', 'current', 'describe', 'is_exempt']


@dataclasses.dataclass(frozen=True, slots=True)
class Actor:
    """The toggle, a restore or a request that changes services.

    :ivar name: what it is and where the test called it; None for a request.
    :ivar restoring: the ledgers whose restore is under way.
    :ivar checked: the services whose order is checked already.
    :ivar checker: the watcher that checks the order; None for the last one.
    """

    name: str | None = None
    restoring: tuple[Any, ...] = ()
    checked: tuple[model.ServiceRef, ...] = ()
    checker: model.Watcher | None = None


_NOBODY = Actor()
_actor = contextvars.ContextVar('safe_fixtures_actor', default=_NOBODY)


def current() -> Actor:
    """Return who is changing services now."""
    return _actor.get()


@contextlib.contextmanager
def acting(
    name: str | None = None,
    *,
    restoring: Iterable[Any] = (),
    checked: Iterable[model.ServiceRef] = (),
    checker: model.Watcher | None = None,
) -> Iterator[None]:
    """Act as the toggle, a restore or a client, in the block.

    :param name: what acts, such as ``SafeServiceToggle.disable``; None for a
        client that sends a request.
    :param restoring: the ledger that restores.
    :param checked: the service whose order is checked already.
    :param checker: the watcher that checks it where the record changes.
    """
    before = _actor.get()
    now = Actor(
        # The line of the test is found now: the change may be made in
        # another thread.
        f'{name} ({stack.where()})' if name else before.name,
        (*before.restoring, *restoring),
        (*before.checked, *checked),
        checker or before.checker,
    )
    token = _actor.set(now)
    try:
        yield
    finally:
        _actor.reset(token)


def is_exempt(
    ref: model.ServiceRef, restarts: Collection[CodeType] = ()
) -> bool:
    """Whether a service may be taken out of service without a check.

    It may in a restore, in a cleanup, while it is restarted, and where its
    order is checked already.

    :param restarts: the code of what restarts a compute.
    """
    actor = _actor.get()
    return (
        bool(actor.restoring)
        or ref in actor.checked
        or stack.in_cleanup()
        or stack.is_within(restarts)
    )


def describe(by: str | None = None) -> str:
    """Return what is changing a service now, and where it was called.

    :param by: what it is, if neither the toggle nor a request; default: the
        record.
    """
    name = _actor.get().name
    if name is not None:
        return name
    return f'{gate.current_call() or by or "the record"} ({stack.where()})'
