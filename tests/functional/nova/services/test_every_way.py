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

"""Each way to change a service, and its restore."""

from unittest import mock

import ddt
from keystoneauth1 import noauth
from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from nova import context as nova_context
from nova.db.main import api as db
from nova.db.main import models
from nova.tests.functional.api import client
from nova import utils
from nova.virt.libvirt import driver as libvirt_driver
from oslo_serialization import jsonutils
import requests
import sqlalchemy
import testtools
from testtools import matchers

from tests.functional.nova import inner
from tests.functional.nova.services import restores
from tests.support import subtests

# As a test has it that imports the function by its name.
_service_update = db.service_update

# The states of the services before the change, and after the restore.
START = {
    'enabled': {},
    'disabled': {'disabled': True, 'disabled_reason': restores.REASON},
    'forced down': {'forced_down': True},
}
# What changes each of them, in the API from 2.53 on and before.
BODY = {
    'enabled': {'status': 'disabled', 'disabled_reason': 'toggled'},
    'disabled': {'status': 'enabled'},
    'forced down': {'forced_down': False},
}
ACTION = {
    'enabled': ('disable-log-reason', {'disabled_reason': 'toggled'}),
    'disabled': ('enable', {}),
    'forced down': ('force-down', {'forced_down': False}),
}
FIELDS = {
    'enabled': {'disabled': True, 'disabled_reason': 'toggled'},
    'disabled': {'disabled': False, 'disabled_reason': None},
    'forced down': {'forced_down': False},
}
HEADERS = {
    'X-Auth-User': 'admin',
    'X-User-Id': 'admin',
    'X-Auth-Project-Id': 'project',
    'X-Roles': 'admin,member,reader',
}


def put_service(test, service, start):
    test.admin_api.put_service(service.uuid, BODY[start])


def put_service_by_action(test, service, start):
    action, body = ACTION[start]
    with utils.temporary_mutation(test.admin_api, microversion='2.52'):
        test.admin_api.put_service(
            action, {'host': service.host, 'binary': service.binary, **body}
        )


def put_service_force_down(test, service, start):
    test.admin_api.put_service_force_down(service.uuid, start != 'forced down')


def force_down_service(test, service, start):
    with utils.temporary_mutation(test.admin_api, microversion='2.11'):
        test.admin_api.force_down_service(
            service.host, service.binary, start != 'forced down'
        )


def api_put_by_action(test, service, start):
    action, body = ACTION[start]
    with utils.temporary_mutation(test.admin_api, microversion='2.11'):
        test.admin_api.api_put(
            f'/os-services/{action}',
            {'host': service.host, 'binary': service.binary, **body},
        )


def api_put_without_reason(test, service, start):
    action = 'enable' if start == 'disabled' else 'disable'
    with utils.temporary_mutation(test.admin_api, microversion=None):
        test.admin_api.api_put(
            f'/os-services/{action}',
            {'host': service.host, 'binary': service.binary},
        )


def api_put(test, service, start):
    test.admin_api.api_put(f'/os-services/{service.uuid}', BODY[start])


def api_request(test, service, start):
    response = test.admin_api.api_request(
        f'os-services/{service.uuid}',
        method='PUT',
        body=jsonutils.dumps(BODY[start]),
    )
    test.assertEqual(200, response.status_code)


def alternative_admin_api(test, service, start):
    api = test.api_fixture.alternative_admin_api
    api.microversion = 'latest'
    api.put_service(service.uuid, BODY[start])


def client_made_by_hand(test, service, start):
    api = client.TestOpenStackClient(
        'admin', test.api_fixture.base_url, roles=['admin']
    )
    api.microversion = '2.53'
    api.put_service(service.uuid, BODY[start])


def keystoneauth_token(test, service, start):
    auth = token_endpoint.Token(test.api_fixture.base_url, 'token')
    session.Session(auth=auth, additional_headers=HEADERS).put(
        f'/os-services/{service.uuid}',
        json=BODY[start],
        endpoint_filter={'service_type': 'compute'},
        microversion='2.53',
    )


def keystoneauth_noauth(test, service, start):
    auth = noauth.NoAuth(endpoint=test.api_fixture.base_url)
    session.Session(auth=auth).put(
        f'/os-services/{service.uuid}',
        json=BODY[start],
        headers=dict(HEADERS),
        endpoint_filter={'service_type': 'compute'},
        microversion='2.53',
    )


def bare_requests(test, service, start):
    response = requests.put(
        f'{test.api_fixture.base_url}/os-services/{service.uuid}',
        json=BODY[start],
        headers={**HEADERS, 'OpenStack-API-Version': 'compute 2.53'},
        timeout=60,
    )
    test.assertEqual(200, response.status_code)


def record(test, service, start):
    for field, value in FIELDS[start].items():
        setattr(service, field, value)
    service.save()


def database(test, service, start):
    db.service_update(service._context, service.id, FIELDS[start])


def bound_before(test, service, start):
    _service_update(service._context, service.id, FIELDS[start])


def orm_query(test, service, start):
    with _session(service) as session:
        session.query(models.Service).filter_by(id=service.id).update(
            FIELDS[start]
        )


def orm_attribute(test, service, start):
    with _session(service) as session:
        found = session.query(models.Service).filter_by(id=service.id).one()
        for field, value in FIELDS[start].items():
            setattr(found, field, value)


def orm_bulk(test, service, start):
    with _session(service) as session:
        session.bulk_update_mappings(
            models.Service, [{'id': service.id, **FIELDS[start]}]
        )


def orm_delete_and_add(test, service, start):
    with _session(service) as session:
        found = session.query(models.Service).filter_by(id=service.id).one()
        values = {
            column.name: getattr(found, column.name)
            for column in models.Service.__table__.columns
        }
        session.delete(found)
        session.flush()
        session.add(models.Service(**(values | FIELDS[start])))


def core_update(test, service, start):
    table = models.Service.__table__
    with _engine(service).begin() as connection:
        connection.execute(
            table.update()
            .where(table.c.id == service.id)
            .values(**FIELDS[start])
        )


def text(test, service, start):
    with _engine(service).begin() as connection:
        connection.execute(
            sqlalchemy.text(f'{_sql(start)} WHERE id = :id'),
            {'id': service.id, **FIELDS[start]},
        )


def text_of_many(test, service, start):
    with _engine(service).begin() as connection:
        connection.execute(
            sqlalchemy.text(f'/* all */ {_sql(start).lower()} WHERE id = :id'),
            [{'id': each, **FIELDS[start]} for each in (service.id, 0)],
        )


def text_with_from(test, service, start):
    with _engine(service).begin() as connection:
        connection.execute(
            sqlalchemy.text(
                f'WITH one AS (SELECT :id AS id) {_sql(start)} '
                'FROM one WHERE services.id = one.id'
            ),
            {'id': service.id, **FIELDS[start]},
        )


def driver_sql(test, service, start):
    with _engine(service).connect() as connection:
        connection.exec_driver_sql(
            f'{_sql(start)} WHERE id = :id',
            {'id': service.id, **FIELDS[start]},
        )
        connection.commit()


def savepoint(test, service, start):
    with _session(service) as session, session.begin_nested():
        session.query(models.Service).filter_by(id=service.id).update(
            FIELDS[start]
        )


def upsert(test, service, start):
    _insert(
        service,
        start,
        'INSERT',
        'ON CONFLICT (id) DO UPDATE SET disabled = excluded.disabled, '
        'disabled_reason = excluded.disabled_reason, '
        'forced_down = excluded.forced_down',
    )


def replace(test, service, start):
    _insert(service, start, 'REPLACE')


def _insert(service, start, verb, end=''):
    names = [column.name for column in models.Service.__table__.columns]
    with _engine(service).begin() as connection:
        row = connection.execute(
            sqlalchemy.text('SELECT * FROM services WHERE id = :id'),
            {'id': service.id},
        ).one()
        values = dict(row._mapping) | FIELDS[start]
        connection.execute(
            sqlalchemy.text(
                f'{verb} INTO services ({", ".join(names)}) '
                f'VALUES ({", ".join(f":{name}" for name in names)}) {end}'
            ),
            values,
        )


def _sql(start):
    fields = ', '.join(f'{name} = :{name}' for name in FIELDS[start])
    return f'UPDATE services SET {fields}'


def _engine(service):
    return service._context.db_connection.writer.get_engine()


def _session(service):
    context = nova_context.get_admin_context()
    return service._context.db_connection.writer.using(context)


def driver(test, service, start):
    test.flags(host=service.host)
    # The driver then asks for the mounts of the host. There are none.
    with mock.patch.object(libvirt_driver.mount, 'get_manager', autospec=True):
        libvirt_driver.LibvirtDriver._set_host_enabled(
            mock.Mock(), start == 'disabled', 'toggled'
        )


def own_method(test, service, start):
    toggle = test.service_toggle
    if start == 'enabled':
        toggle.disable(service.host, reason='toggled')
    elif start == 'disabled':
        toggle.enable(service.uuid)
    else:
        toggle.force_up(service)


WAYS = {
    way.__name__: way
    for way in (
        put_service,
        put_service_by_action,
        put_service_force_down,
        force_down_service,
        api_put_by_action,
        api_put_without_reason,
        api_put,
        api_request,
        alternative_admin_api,
        client_made_by_hand,
        keystoneauth_token,
        keystoneauth_noauth,
        bare_requests,
        record,
        database,
        bound_before,
        orm_query,
        orm_attribute,
        orm_bulk,
        orm_delete_and_add,
        core_update,
        text,
        text_of_many,
        text_with_from,
        driver_sql,
        savepoint,
        upsert,
        replace,
        driver,
        own_method,
    )
}
EXITS = ['pass', 'fail', 'error in setUp']
# How a service was changed does not matter to how a test ends, so some ways
# are tried with every exit.
RUNS = [
    (way, way_out)
    for number, way in enumerate(WAYS)
    for way_out in (EXITS if number % 5 == 0 else EXITS[:1])
]


class Oops(Exception):
    """What an inner test raises on purpose."""


@ddt.ddt
class TestEveryWay(subtests.SubTests, testtools.TestCase):
    """Each way to change a service, in each start state and exit."""

    def _run(self, way, way_out):
        seen = restores.Seen()
        changed = {}

        class Inner(inner.SafeApiTestCase):
            def setUp(self):
                super().setUp()
                services = {
                    start: inner.make_service(
                        self, start.replace(' ', '-'), **state
                    )
                    for start, state in START.items()
                }
                seen.watch(self, *(each.host for each in services.values()))
                for start, service in services.items():
                    way(self, service, start)
                    changed[start] = inner.state_of(self, service.host)
                if way_out == 'error in setUp':
                    raise Oops

            def test(self):
                if way_out == 'fail':
                    self.fail('on purpose')

        result = inner.run_inner(Inner)
        return result, seen, changed

    @ddt.data(*RUNS)
    @ddt.unpack
    def test_restored(self, way, way_out):
        result, seen, changed = self._run(WAYS[way], way_out)

        problems = inner.problems(result)
        if way_out == 'pass':
            self.assertEqual('', problems)
        elif way_out == 'fail':
            self.assertEqual((0, 1), restores.counts(result), problems)
            self.assertIn('AssertionError: on purpose', problems)
        else:
            self.assertEqual((1, 0), restores.counts(result), problems)
            self.assertIn('Oops', problems)
        self.assertNotIn('SF201', problems)
        self.assertEqual(set(START), set(changed))
        for start, state in changed.items():
            self.assertNotEqual(restores.EXPECTED[start], state, start)
        self.assertEqual(
            {
                start.replace(' ', '-'): restores.EXPECTED[start]
                for start in START
            },
            seen.state,
        )
        self.assertEqual(3, len(seen.ledger))
        for entry in seen.ledger:
            start = entry.service.host.replace('-', ' ')
            with self.subTest(start=start):
                self.assertEqual(
                    restores.EXPECTED[start], _fields(entry.before)
                )
                self.assertEqual(changed[start], _fields(entry.after))
                self.assertThat(entry.restored, matchers.StartsWith('record'))


def _fields(state):
    return state.disabled, state.disabled_reason, state.forced_down
