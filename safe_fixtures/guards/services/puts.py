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

"""See each ``put_service`` of a client, whatever it sends it through."""

from collections.abc import Callable, Mapping
import contextlib
import inspect
from typing import Any, Protocol

import wrapt

from safe_fixtures.guards.services import changes
from safe_fixtures.runtime import patching

__all__ = ['Watcher', 'watch']


class Watcher(Protocol):
    """Sees what a client puts."""

    def refuse(self) -> None:
        """Raise if the client talks to an endpoint that is not allowed."""

    def planned(
        self, service_id: Any, body: Mapping[str, Any]
    ) -> changes.Planned | None:
        """Return what a put would change."""

    def checking(
        self, service_id: Any, body: Mapping[str, Any]
    ) -> contextlib.AbstractContextManager[None]:
        """Check the order of a put, and act as the client in the block."""

    def changing(self, change: changes.Planned | None) -> Callable[[], None]:
        """See what is about to be put.

        :returns: to be called after the put.
        """


def watch(client: Any, watcher: Watcher) -> Callable[[], None]:
    """Show *watcher* each put of a client.

    :returns: a callable that ends it.
    """
    put = vars(client).get('put_service')
    if not isinstance(put, _WatchedPut):
        put = _WatchedPut(client)
    return put._self_shared.add(watcher)


class _WatchedPut(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """Replaces the ``put_service`` of a client, for all who watch it."""

    def __init__(self, client: Any) -> None:
        super().__init__(client.put_service, self._self_put)
        self._self_shared = patching.SharedPatch[Watcher](
            lambda: patching.patch_attribute(client, 'put_service', self)
        )

    def _self_put(self, wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        users = self._self_shared.users
        for each in users:
            each.refuse()
        bound = inspect.signature(wrapped).bind(*args, **kwargs)
        given = [*bound.args, *bound.kwargs.values(), None, None]
        service_id, body = given[:2]
        if not users or not isinstance(body, Mapping):
            return wrapped(*args, **kwargs)
        with users[-1].checking(service_id, body):
            notes = [
                each.changing(each.planned(service_id, body)) for each in users
            ]
            result = wrapped(*args, **kwargs)
            for changed in notes:
                changed()
            return result
