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

"""Two computes of real Nova, and the ways to take one out of service."""

import safe_fixtures.nova  # isort: skip

from unittest import mock

from nova.compute import api as compute_api
from nova.compute import rpcapi
from nova import context as nova_context
from nova.db.main import api as db
from nova.db.main import models
from nova import objects
from nova.tests.functional import integrated_helpers
import requests
import sqlalchemy

from tests.functional.nova import inner as inner_run
from tests.support import base

REASON = 'this is what the test is about'


def put(
    body, path='{uuid}', client='admin_api', version='2.53', of='os-services'
):
    """Return a function that sends a request about a compute."""

    def way(case, compute):
        api = getattr(case.api_fixture, client)
        path_of = path.format(uuid=compute.service_ref.uuid, host=compute.host)
        with mock.patch.object(api, 'microversion', version):
            api.api_put(
                f'{of}/{path_of}',
                {
                    name: value.format(host=compute.host)
                    if isinstance(value, str)
                    else value
                    for name, value in body.items()
                },
            )

    return way


def by_requests(case, compute):
    response = requests.put(
        f'{case.api_fixture.base_url}/os-services/{compute.service_ref.uuid}',
        json={'forced_down': True},
        headers={
            **inner_run.HEADERS,
            'OpenStack-API-Version': 'compute 2.53',
        },
    )
    case.assertEqual(200, response.status_code)


def record_of(compute):
    return objects.Service.get_by_uuid(
        nova_context.get_admin_context(), compute.service_ref.uuid
    )


def save(**fields):
    """Return a function that saves the record itself."""

    def way(case, compute):
        record = record_of(compute)
        for name, value in fields.items():
            setattr(record, name, value)
        record.save()

    return way


def update(case, compute):
    record = record_of(compute)
    db.service_update(record._context, record.id, {'disabled': True})


def bound_before(case, compute):
    record = record_of(compute)
    _service_update(record._context, record.id, {'forced_down': True})


def by_query(case, compute):
    record = record_of(compute)
    context = nova_context.get_admin_context()
    with db.get_context_manager(record._context).writer.using(
        context
    ) as session:
        session.query(models.Service).filter_by(id=record.id).update(
            {'disabled': True}
        )


def by_attribute(case, compute):
    record = record_of(compute)
    context = nova_context.get_admin_context()
    with db.get_context_manager(record._context).writer.using(
        context
    ) as session:
        found = session.query(models.Service).filter_by(id=record.id).one()
        found.forced_down = True


def by_sql(statement):
    def way(case, compute):
        record = record_of(compute)
        engine = db.get_context_manager(record._context).writer.get_engine()
        with engine.begin() as connection:
            connection.execute(
                sqlalchemy.text(f'{statement} WHERE id = {record.id}')
            )

    return way


def through_host_api(case, compute):
    compute_api.HostAPI().service_update_by_host_and_binary(
        nova_context.get_admin_context(),
        compute.host,
        'nova-compute',
        {'disabled': True},
    )


def destroy(case, compute):
    record_of(compute).destroy()


def power(action):
    def way(case, compute):
        with mock.patch.object(case.admin_api, 'microversion', '2.42'):
            case.admin_api.api_get(f'os-hosts/{compute.host}/{action}')

    return way


def put_host(**body):
    return put(body, '{host}', version='2.42', of='os-hosts')


def tell_compute(case, compute):
    rpcapi.ComputeAPI().set_host_enabled(
        nova_context.get_admin_context(), compute.host, False
    )


def delete_unasked(case, compute):
    # With this count, Nova refuses to delete a service.
    with mock.patch.object(
        objects.InstanceList,
        'get_count_by_hosts',
        autospec=True,
        return_value=0,
    ):
        case.delete_service(compute)


# How a test takes a compute out of service, without the toggle.
RAW = {
    'disable': put({'status': 'disabled'}),
    'disable, with a reason': put(
        {'status': 'disabled', 'disabled_reason': 'why'}
    ),
    'force down': put({'forced_down': True}),
    'both': put({'status': 'disabled', 'forced_down': True}),
    'at the newest microversion': put({'forced_down': True}, version='latest'),
    'by another client': put(
        {'forced_down': True}, client='alternative_admin_api'
    ),
    'disable before 2.53': put(
        {'host': '{host}', 'binary': 'nova-compute'}, 'disable', version='2.1'
    ),
    'disable with a reason before 2.53': put(
        {'host': '{host}', 'binary': 'nova-compute', 'disabled_reason': 'x'},
        'disable-log-reason',
        version='2.1',
    ),
    'force down before 2.53': put(
        {'host': '{host}', 'binary': 'nova-compute', 'forced_down': True},
        'force-down',
        version='2.11',
    ),
    'bare requests': by_requests,
    'the record, disabled': save(disabled=True),
    'the record, forced down': save(forced_down=True),
    'the database': update,
    'the database, by a name of its own': bound_before,
    'a query of the model': by_query,
    'an attribute of the model': by_attribute,
    'SQL': by_sql('UPDATE services SET disabled = 1'),
    'SQL that deletes': by_sql('UPDATE services SET deleted = id'),
    'SQL that deletes the row': by_sql('DELETE FROM services'),
    'the API behind the API': through_host_api,
    'stop': lambda case, compute: compute.stop(),
    'kill': lambda case, compute: compute.kill(),
    'destroy the record': destroy,
    'a deletion that Nova serves': delete_unasked,
}
# These leave the record of the service as it is.
HOSTS = {
    'disable the host': put_host(status='disable'),
    'put the host into maintenance': put_host(maintenance_mode='enable'),
    'shut the host down': power('shutdown'),
    'reboot the host': power('reboot'),
    'tell the compute': tell_compute,
}
# These use the toggle.
OWN = {
    'toggle.disable': lambda case, compute: case.service_toggle.disable(
        compute.host
    ),
    'toggle.disable, with a reason': (
        lambda case, compute: case.service_toggle.disable(compute, 'why')
    ),
    'toggle.force_down': lambda case, compute: case.service_toggle.force_down(
        compute.service_ref.uuid
    ),
}


class Computes(integrated_helpers._IntegratedTestBase):
    """Two computes: one for servers, one that stays empty."""

    api_major_version = 'v2.1'
    microversion = 'latest'
    ADMIN_API = True
    CAST_AS_CALL = False

    def _setup_compute_service(self):
        self.full = self.start_service('compute', host='full')
        self.empty = self.start_service('compute', host='empty')

    def boot(self, host='full', **kwargs):
        return self._create_server(networks='none', host=host, **kwargs)

    def delete_service(self, compute, api=None):
        api = api or self.admin_api
        with mock.patch.object(api, 'microversion', '2.53'):
            return api.api_delete(f'os-services/{compute.service_ref.uuid}')

    def delete_service_by_number(self, compute):
        with mock.patch.object(self.admin_api, 'microversion', '2.52'):
            return self.admin_api.api_delete(
                f'os-services/{compute.service_ref.id}'
            )

    def service_of(self, compute):
        (service,) = self.admin_api.get_services(
            binary='nova-compute', host=compute.host
        )
        return service['status'], service['forced_down'], service['state']

    def records(self, action):
        return contents(self.audit_trail, action)


def contents(trail, action):
    """Return what the events of an action hold."""
    return [
        event['attachments'][0]['content']
        for event in trail.events
        if event['action'] == action
    ]


SafeComputes = safe_fixtures.nova.hardened(Computes)
# As a test has it that imports the function by its name.
_service_update = db.service_update
UP = ('enabled', False, 'up')


class TestCase(base.TestCase):
    def inner(self, act, waived=None, **attributes):
        """Run an inner test that calls ``act``; return the result."""
        outer = self

        class Inner(SafeComputes):
            def test(self):
                outer.case = self
                # Nova clears the attributes of a test when it ends.
                outer.outages = self.service_toggle.outages
                outer.trail = self.audit_trail
                act(self)

        if waived is not None:
            Inner.test = safe_fixtures.waive('SF203', reason=waived)(
                Inner.test
            )

        for name, value in attributes.items():
            setattr(Inner, name, value)
        return inner_run.run_inner(Inner)

    def assertPassed(self, result):
        self.assertEqual('', inner_run.problems(result))
        self.assertEqual(1, result.testsRun)
        self.assertEqual({}, result.skip_reasons)


def force_down(case, compute):
    case.service_toggle.force_down(compute)
