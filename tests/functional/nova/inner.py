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

"""Inner tests on real Nova, and service records for them."""

import datetime

from nova import context as nova_context
from nova import objects
from nova.tests import fixtures as nova_fixtures
import testtools

from safe_fixtures import nova as safe_nova
from tests.support import base

__all__ = [
    'CLIENTS',
    'HEADERS',
    'ApiMixin',
    'SafeApiTestCase',
    'make_service',
    'problems',
    'run_inner',
    'state_of',
]

# Headers of an administrator, for the stubbed authentication.
HEADERS = {
    'X-Auth-User': 'admin',
    'X-User-Id': 'admin',
    'X-Auth-Project-Id': 'project',
    'X-Roles': 'admin,member,reader',
}
# The clients of Nova's API fixture.
CLIENTS = [
    'api',
    'alternative_api',
    'admin_api',
    'alternative_admin_api',
    'reader_api',
    'other_api',
]

# A service that was never seen counts as down: the API does not call it.
_NEVER = datetime.datetime(2000, 1, 1)


class ApiMixin:
    """An API without a running service: the minimum for a toggle."""

    def setUp(self):
        self.useFixture(safe_nova.InstalledNova())
        super().setUp()
        self.api_fixture = self.useFixture(
            nova_fixtures.OSAPIFixture(api_version='v2.1')
        )
        self.admin_api = self.api_fixture.admin_api
        self.admin_api.microversion = 'latest'


class SafeApiTestCase(ApiMixin, safe_nova.SafeTestCase):
    """A hardened test with an API."""


def run_inner(cls, method='test'):
    """Run one test of a class; return the result."""
    result = testtools.TestResult()
    cls(method).run(result)
    return result


def problems(result):
    """Return the failures and errors of a result as one text."""
    return '\n'.join(base.problems(result))


def make_service(test, host, cell='cell1', mapped=True, **state):
    """Create the record of a compute that does not run."""
    mapping = test.cell_mappings[cell]
    context = nova_context.get_admin_context()
    with nova_context.target_cell(context, mapping) as cell_context:
        service = objects.Service(
            cell_context,
            host=host,
            binary='nova-compute',
            topic='compute',
            report_count=0,
            last_seen_up=_NEVER,
            **state,
        )
        service.create()
    if mapped:
        objects.HostMapping(
            nova_context.get_admin_context(), host=host, cell_mapping=mapping
        ).create()
    return service


def state_of(test, host, cell='cell1'):
    """Return disabled, disabled_reason and forced_down of a record."""
    context = nova_context.get_admin_context()
    nova_context.set_target_cell(context, test.cell_mappings[cell])
    service = objects.Service.get_by_host_and_binary(
        context, host, 'nova-compute'
    )
    if service is None:
        return None
    return service.disabled, service.disabled_reason, service.forced_down
