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

"""What a request to change a service asks for."""

from collections.abc import Mapping
import dataclasses
from typing import Any, NamedTuple
from urllib import parse

from oslo_utils import strutils
from oslo_utils import uuidutils

from safe_fixtures.guards.services import model
from safe_fixtures.runtime import values

__all__ = ['Change', 'Planned', 'body_for', 'of_put', 'parse_change']

_PREFIX = '/os-services/'
# The actions of the API before 2.53. Each names the service by host and
# binary in the body.
_ACTIONS = ('enable', 'disable', 'disable-log-reason', 'force-down')


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What a request asks of one service.

    The API may refuse it: this is what becomes of the service if it does
    not.

    :ivar service: which service, for ``Services.find()``: its ``id``, or its
        ``host`` and ``binary`` (dict).
    :ivar fields: the fields of the state that it sets, with their values
        (dict); the others stay.
    :ivar deletes: whether it deletes the service (bool).
    """

    service: Mapping[str, Any]
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    deletes: bool = False

    def applied(self, before: model.ServiceState) -> model.ServiceState:
        """Return the state after the change.

        :param before: the state before it.
        """
        return dataclasses.replace(before, **self.fields)


class Planned(NamedTuple):
    """What a request will change, as far as that is known before it.

    :ivar ref: which service.
    :ivar before: its state (ServiceState).
    :ivar after: its state if the API does not refuse it (ServiceState).
    """

    ref: model.ServiceRef
    before: model.ServiceState
    after: model.ServiceState


def parse_change(path: str, method: str, body: Any) -> Change | None:
    """Return what a request asks of a service; None if it asks nothing.

    Example::

        change = parse_change(call.path, call.method, call.body)
        if change is not None:
            ref = services.find(change.service)
            after = change.applied(services.read(ref))

    :param path: the path below the version of the API, such as
        ``/os-services/disable``.
    :param method: the HTTP method, in capitals.
    :param body: the body as read from JSON; None if there is none.
    """
    if not path.startswith(_PREFIX):
        return None
    service_id = parse.unquote(path.removeprefix(_PREFIX)).strip('/')
    if not service_id or '/' in service_id:
        return None
    # The API finds a uuid in whatever case.
    if uuidutils.is_uuid_like(service_id):
        service_id = service_id.lower()
    if method == 'DELETE':
        return Change({'id': service_id}, deletes=True)
    if method == 'PUT' and isinstance(body, Mapping):
        return of_put(service_id, body)
    return None


def of_put(service_id: Any, body: Mapping[str, Any]) -> Change:
    """Return what a put asks of a service.

    :param service_id: the last part of the path: the id of the service, or
        before 2.53 an action, such as ``disable``.
    :param body: the body of the request.
    """
    service_id = values.plain(service_id)
    body = {key: values.plain(value) for key, value in body.items()}
    reason = body.get('disabled_reason')
    if service_id not in _ACTIONS:
        fields = _status(body.get('status'), reason) | _forced_down(body)
        return Change({'id': service_id}, fields)
    if service_id == 'force-down':
        fields = _forced_down(body)
    elif service_id == 'enable':
        fields = _status('enabled', None)
    else:
        # Without its own action, a reason is ignored, and the old one goes.
        kept = reason if service_id == 'disable-log-reason' else None
        fields = _status('disabled', kept)
    service = {'host': body.get('host'), 'binary': body.get('binary')}
    return Change(service, fields)


def _status(status: Any, reason: Any) -> dict[str, Any]:
    # A reason without a status changes nothing.
    if status not in ('enabled', 'disabled'):
        return {}
    disabled = status == 'disabled'
    return {
        'disabled': disabled,
        'disabled_reason': reason if disabled else None,
    }


def _forced_down(body: Mapping[str, Any]) -> dict[str, Any]:
    if 'forced_down' not in body:
        return {}
    return {'forced_down': strutils.bool_from_string(body['forced_down'])}


def body_for(
    current: model.ServiceState, wanted: model.ServiceState
) -> dict[str, Any]:
    """Return what to put, in the form from 2.53; empty for no change."""
    body: dict[str, Any] = {}
    if dataclasses.replace(current, forced_down=wanted.forced_down) != wanted:
        body['status'] = wanted.status
        if wanted.disabled and wanted.disabled_reason:
            body['disabled_reason'] = wanted.disabled_reason
    if current.forced_down != wanted.forced_down:
        body['forced_down'] = wanted.forced_down
    return body
