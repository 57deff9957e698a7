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

from collections.abc import Iterator
import contextlib
import contextvars
import dataclasses
from typing import Any

from safe_fixtures.core import gate
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import stack

__all__ = [
    'Actor',
    'current',
    'describe',
    'is_exempt',
    'requesting',
    'restoring',
    'toggling',
]


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
_actor: contextvars.ContextVar[Actor] = contextvars.ContextVar(
    'safe_fixtures_actor', default=_NOBODY
)


def current() -> Actor:
    """Return who is changing services now."""
    return _actor.get()


@contextlib.contextmanager
def _acting(**changes: Any) -> Iterator[None]:
    token = _actor.set(dataclasses.replace(_actor.get(), **changes))
    try:
        yield
    finally:
        _actor.reset(token)


def toggling(
    verb: str, ref: model.ServiceRef
) -> contextlib.AbstractContextManager[None]:
    """Act as a method of the toggle, which checks the order itself."""
    # The line of the test is found now: the change may be made in another
    # thread.
    return _acting(
        name=f'SafeServiceToggle.{verb} ({stack.where()})',
        checked=(*_actor.get().checked, ref),
    )


def restoring(ledger: Any) -> contextlib.AbstractContextManager[None]:
    """Act as the restore of a ledger."""
    return _acting(
        name=f'SafeServiceToggle restore ({stack.where()})',
        restoring=(*_actor.get().restoring, ledger),
    )


def requesting(
    *,
    checked: model.ServiceRef | None = None,
    checker: model.Watcher | None = None,
) -> contextlib.AbstractContextManager[None]:
    """Act as a client that sends a request.

    :param checked: the service whose order the client has checked.
    :param checker: the watcher that checks it where the record changes.
    """
    if checked is not None:
        return _acting(checked=(*_actor.get().checked, checked))
    return _acting(checker=checker)


def is_exempt(ref: model.ServiceRef) -> bool:
    """Whether a service may be taken out of service without a check.

    It may in a restore, in a cleanup, while Nova's helper restarts a
    compute, and where its order is checked already.
    """
    actor = _actor.get()
    return (
        bool(actor.restoring)
        or ref in actor.checked
        or stack.in_cleanup()
        or stack.is_within('restart_compute_service')
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
