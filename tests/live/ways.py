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

"""Every way of every client to change a service."""

import contextlib
import json
from typing import Any, NamedTuple

import httpx
from novaclient import client as nova_client
import requests
from tempest.lib.services.compute import base_compute_client
import urllib3

from safe_fixtures.guards import services
from tests.live import clients
from tests.live import nova_double
from tools.live_cloud import settings

__all__ = ['METHODS', 'WAYS', 'Way']

COMPUTE = 'nova-compute'
ENABLED = services.ServiceState()
DISABLED = services.ServiceState(True)
REASONED = services.ServiceState(True, 'before')
WHY = services.ServiceState(True, 'why')
DOWN = services.ServiceState(forced_down=True)

#: By kind: what makes a client, from the cloud.
KINDS = {**clients.KINDS, 'nova test client': nova_double.client}


class Way(NamedTuple):
    """A way to change a service.

    :ivar kind: what client does it.
    :ivar call: does it; called with the client and the service.
    :ivar before: the state that it starts from.
    :ivar after: the state that it leaves.
    """

    kind: str
    name: str
    call: Any
    before: services.ServiceState
    after: services.ServiceState

    def __str__(self):
        return f'{self.kind}, {self.name}'

    def client(self, cloud):
        return KINDS[self.kind](cloud)


# The toggle's own methods.


def _toggled(name, before, after, **arguments):
    def call(toggle, service):
        getattr(toggle, name)(service.host, **arguments)

    return [Way(kind, name, call, before, after) for kind in KINDS]


#: The methods of the toggle with each client: called with the toggle.
METHODS = [
    *_toggled('disable', ENABLED, WHY, reason='why'),
    *_toggled('enable', REASONED, ENABLED),
    *_toggled('force_down', ENABLED, DOWN),
    *_toggled('force_up', DOWN, ENABLED),
]


# openstacksdk's, with what it negotiates itself and with old microversions.


def _sdk(name, before, after, *, version=None, by_id=True, **arguments):
    def call(compute, service):
        compute = getattr(compute, 'compute', compute)
        compute.default_microversion = version
        if by_id:
            found = compute.find_service(service.uuid)
            getattr(compute, name)(found, **arguments)
        else:
            where = {'host': service.host, 'binary': COMPUTE}
            getattr(compute, name)(None, **where, **arguments)

    told = f'{name} by {"id" if by_id else "host"} at {version or "any"}'
    return Way('openstacksdk compute', told, call, before, after)


def _sdk_old(name, before, after, version='2.1', **arguments):
    def call(compute, service):
        compute.default_microversion = version
        found = next(compute.services(host=service.host, binary=COMPUTE))
        where = {'host': service.host, 'binary': COMPUTE}
        getattr(compute, name)(found, **where, **arguments)

    told = f'{name} at {version}'
    return Way('openstacksdk compute', told, call, before, after)


_SDK = [
    _sdk('disable_service', ENABLED, DISABLED),
    _sdk('disable_service', ENABLED, WHY, disabled_reason='why'),
    _sdk('disable_service', ENABLED, DISABLED, by_id=False),
    _sdk('enable_service', REASONED, ENABLED),
    _sdk('enable_service', REASONED, ENABLED, by_id=False),
    _sdk('update_service', ENABLED, DISABLED, status='disabled'),
    _sdk('update_service', REASONED, ENABLED, status='enabled'),
    _sdk('update_service', ENABLED, DOWN, forced_down=True),
    _sdk('update_service_forced_down', ENABLED, DOWN, forced=True),
    _sdk('update_service_forced_down', DOWN, ENABLED, forced=False),
    _sdk(
        'update_service_forced_down', ENABLED, DOWN, by_id=False, forced=True
    ),
    _sdk('force_service_down', ENABLED, DOWN, by_id=False),
    _sdk_old('disable_service', ENABLED, DISABLED),
    _sdk_old('disable_service', ENABLED, WHY, disabled_reason='why'),
    _sdk_old('enable_service', REASONED, ENABLED),
    _sdk_old('update_service_forced_down', ENABLED, DOWN, '2.11', forced=True),
    _sdk_old(
        'update_service_forced_down', DOWN, ENABLED, '2.52', forced=False
    ),
]


# python-novaclient's, by host before 2.53 and by uuid since.


def _novaclient(name, before, after, version, *arguments):
    def call(client, service):
        # A client has one microversion; they share the session.
        adapter = client.client
        other = nova_client.Client(
            version, session=adapter.session, region_name=settings.REGION
        )
        old = tuple(map(int, version.split('.'))) < (2, 53)
        where = (service.host, COMPUTE) if old else (service.uuid,)
        getattr(other.services, name)(*where, *arguments)

    return Way(
        'python-novaclient', f'{name} at {version}', call, before, after
    )


_NOVACLIENT = [
    _novaclient('disable', ENABLED, DISABLED, '2.1'),
    _novaclient('disable_log_reason', ENABLED, WHY, '2.1', 'why'),
    _novaclient('enable', REASONED, ENABLED, '2.1'),
    _novaclient('force_down', ENABLED, DOWN, '2.11', True),
    _novaclient('force_down', DOWN, ENABLED, '2.52', False),
    _novaclient('disable', REASONED, DISABLED, '2.52'),
    _novaclient('disable', ENABLED, DISABLED, '2.53'),
    _novaclient('disable_log_reason', ENABLED, WHY, '2.53', 'why'),
    _novaclient('enable', REASONED, ENABLED, '2.53'),
    _novaclient('force_down', ENABLED, DOWN, '2.53', True),
    _novaclient('force_down', DOWN, ENABLED, '2.93', False),
]


# Tempest's: it has one microversion for all clients.


@contextlib.contextmanager
def _microversion_of_tempest(version):
    before = base_compute_client.COMPUTE_MICROVERSION
    base_compute_client.COMPUTE_MICROVERSION = version
    try:
        yield
    finally:
        base_compute_client.COMPUTE_MICROVERSION = before


def _tempest(name, before, after, version, **arguments):
    def call(client, service):
        old = version is None or version == '2.11'
        where = (
            {'host': service.host, 'binary': COMPUTE}
            if old
            else {'service_id': service.uuid}
        )
        with _microversion_of_tempest(version):
            getattr(client, name)(**where, **arguments)

    told = f'{name} at {version or "the oldest"}'
    return Way('tempest', told, call, before, after)


_TEMPEST = [
    _tempest('disable_service', ENABLED, DISABLED, None),
    _tempest('enable_service', REASONED, ENABLED, None),
    _tempest('disable_log_reason', ENABLED, WHY, None, disabled_reason='why'),
    _tempest('update_forced_down', ENABLED, DOWN, '2.11', forced_down=True),
    _tempest('update_forced_down', DOWN, ENABLED, '2.11', forced_down=False),
    _tempest('update_service', ENABLED, DISABLED, '2.53', status='disabled'),
    _tempest('update_service', REASONED, ENABLED, '2.53', status='enabled'),
    _tempest('update_service', ENABLED, DOWN, '2.53', forced_down=True),
]


# Requests by hand, in every form that the API has.

_FORMS = [
    ('disable', '2.1', {}, ENABLED, DISABLED),
    ('disable', '2.1', {}, REASONED, DISABLED),
    ('disable-log-reason', '2.1', {'disabled_reason': 'why'}, ENABLED, WHY),
    ('enable', '2.1', {}, REASONED, ENABLED),
    ('force-down', '2.11', {'forced_down': True}, ENABLED, DOWN),
    ('force-down', '2.11', {'forced_down': 'false'}, DOWN, ENABLED),
    (None, '2.53', {'status': 'disabled'}, ENABLED, DISABLED),
    (None, '2.53', {'status': 'enabled'}, REASONED, ENABLED),
    (
        None,
        '2.53',
        {'status': 'disabled', 'disabled_reason': 'why'},
        ENABLED,
        WHY,
    ),
    (None, '2.53', {'forced_down': 'yes'}, ENABLED, DOWN),
    (
        None,
        '2.53',
        {'status': 'enabled', 'forced_down': True},
        REASONED,
        DOWN,
    ),
    (None, '2.96', {'forced_down': False}, DOWN, ENABLED),
]


def _put_by_keystoneauth(adapter, path, headers, body):
    adapter.put(path, json=body, headers=headers)


def _token_and_url(adapter, path):
    return adapter.get_token(), adapter.get_endpoint().rstrip('/') + path


def _put_by_requests(adapter, path, headers, body):
    token, url = _token_and_url(adapter, path)
    requests.put(
        url, json=body, headers={**headers, 'X-Auth-Token': token}, timeout=60
    ).raise_for_status()


def _put_by_urllib3(adapter, path, headers, body):
    token, url = _token_and_url(adapter, path)
    answer = urllib3.PoolManager().request(
        'PUT',
        url,
        body=json.dumps(body),
        headers={
            **headers,
            'X-Auth-Token': token,
            'Content-Type': 'application/json',
        },
    )
    assert answer.status < 300, answer.data


def _put_by_httpx(adapter, path, headers, body):
    token, url = _token_and_url(adapter, path)
    headers = {**headers, 'X-Auth-Token': token}
    httpx.put(url, json=body, headers=headers).raise_for_status()


def _by_hand(name, put, forms):
    ways = []
    for action, version, body, before, after in forms:

        def call(adapter, service, action=action, version=version, body=body):
            if action is not None:
                body = {'host': service.host, 'binary': COMPUTE, **body}
            path = f'/os-services/{action or service.uuid}'
            put(
                adapter,
                path,
                {'OpenStack-API-Version': f'compute {version}'},
                body,
            )

        told = f'{name}: {action or "id"} {body} at {version} from {before}'
        ways.append(Way('keystoneauth adapter', told, call, before, after))
    return ways


_BY_HAND = [
    *_by_hand('keystoneauth', _put_by_keystoneauth, _FORMS),
    *_by_hand('requests', _put_by_requests, _FORMS[::4]),
    *_by_hand('urllib3', _put_by_urllib3, _FORMS),
    *_by_hand('httpx', _put_by_httpx, _FORMS),
]


# Nova's own test client.


def _nova(name, version, before, after, *arguments):
    def call(client, service):
        client.microversion = version
        if name == 'force_down_service':
            client.force_down_service(service.host, COMPUTE, *arguments)
        elif isinstance(arguments[0], str):
            action, body = arguments
            body = {'host': service.host, 'binary': COMPUTE, **body}
            client.put_service(action, body)
        else:
            getattr(client, name)(service.uuid, *arguments)

    told = f'{name} {arguments} at {version}'
    return Way('nova test client', told, call, before, after)


_NOVA = [
    _nova('put_service', '2.53', ENABLED, DISABLED, {'status': 'disabled'}),
    _nova('put_service', '2.53', REASONED, ENABLED, {'status': 'enabled'}),
    _nova('put_service', '2.1', ENABLED, DISABLED, 'disable', {}),
    _nova(
        'put_service',
        '2.1',
        ENABLED,
        WHY,
        'disable-log-reason',
        {'disabled_reason': 'why'},
    ),
    _nova('put_service', '2.1', REASONED, ENABLED, 'enable', {}),
    _nova('put_service_force_down', '2.53', ENABLED, DOWN, True),
    _nova('force_down_service', '2.11', ENABLED, DOWN, True),
    _nova('force_down_service', '2.11', DOWN, ENABLED, False),
]

#: All ways that are not the toggle's own: called with the client.
WAYS = [*_SDK, *_NOVACLIENT, *_TEMPEST, *_BY_HAND, *_NOVA]
