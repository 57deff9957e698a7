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

"""What an inner test saw of its services, and a compute that runs."""

from nova import context as nova_context
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver

from safe_fixtures import nova as safe_nova
from tests.functional.nova import inner

REASON = libvirt_driver.DISABLE_PREFIX + 'since before'
EXPECTED = {
    'enabled': (False, None, False),
    'disabled': (True, REASON, False),
    'forced down': (False, None, True),
}


class Seen:
    """What an inner test saw of its services, after it was torn down.

    A test calls watch() before it changes anything. The look is then taken
    after the restore.
    """

    def __init__(self):
        self.state = {}
        self.ledger = None
        self.trail = None

    def watch(self, test, *hosts, cell='cell1'):
        def look():
            for host in hosts:
                self.state[host] = inner.state_of(test, host, cell)

        self.ledger = test.service_toggle.ledger
        self.trail = test.audit_trail
        test.addCleanup(look)

    def restored(self):
        return [entry.restored for entry in self.ledger]

    def events(self, action):
        return [
            event for event in self.trail.events if event['action'] == action
        ]


def counts(result):
    return len(result.errors), len(result.failures)


TRAIT = 'COMPUTE_STATUS_DISABLED'


class RunningCompute(safe_nova.SafeIntegratedTestBase):
    """A compute that runs, with its provider in a real Placement."""

    ADMIN_API = True
    microversion = 'latest'

    def traits(self):
        (node,) = objects.ComputeNodeList.get_all_by_host(
            nova_context.get_admin_context(), 'compute'
        )
        return self._get_provider_traits(node.uuid)

    def service(self):
        (service,) = self.admin_api.get_services(
            binary='nova-compute', host='compute'
        )
        return service
