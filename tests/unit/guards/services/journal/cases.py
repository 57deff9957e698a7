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

"""What the tests of the journal share."""

import dataclasses
import json
import os

import fixtures

from safe_fixtures.guards import services
from safe_fixtures.guards.services import journal
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import system
from tests.support import base

URL = 'http://lab.example.com:8774/v2.1'
ENDPOINT = 'http://lab.example.com:8774'
ENABLED = services.ServiceState()
DISABLED = services.ServiceState(disabled=True, disabled_reason='a test')
DOWN = services.ServiceState(forced_down=True)
FOREIGN = services.ServiceState(disabled=True, disabled_reason='an operator')


def service(number=1, **values):
    """Return a service."""
    return journal.Service(
        **{
            'endpoint': ENDPOINT,
            'region': 'RegionOne',
            'uuid': f'00000000-0000-0000-0000-{number:012}',
            'host': f'host{number}',
            'binary': 'nova-compute',
            **values,
        }
    )


@dataclasses.dataclass
class Listed:
    """A service as a client lists it."""

    ref: model.ServiceRef
    state: services.ServiceState


class Cloud:
    """What a replay sees of a cloud: its services, and what it puts.

    ``faults`` has what a put does instead, by uuid: an exception to raise,
    or None to do nothing.
    """

    def __init__(self, *numbers, state=ENABLED):
        self.states = {service(number): state for number in numbers}
        self.faults = {}
        self.calls = []
        self.url = URL
        self.of_region = 'RegionOne'

    def endpoint(self):
        return self.url

    def region(self):
        return self.of_region

    def list_services(self, timeout, host=None, binary=None):
        self.calls.append('list')
        return [
            Listed(model.ServiceRef(each.uuid, each.host, each.binary), state)
            for each, state in self.states.items()
        ]

    def put_service(self, service_id, body, timeout):
        self.calls.append((service_id, body))
        (which,) = (each for each in self.states if each.uuid == service_id)
        if service_id in self.faults:
            fault = self.faults[service_id]
            if fault is not None:
                raise fault
            return
        state = self.states[which]
        if 'status' in body:
            disabled = body['status'] == 'disabled'
            state = dataclasses.replace(
                state,
                disabled=disabled,
                disabled_reason=body.get('disabled_reason'),
            )
        if 'forced_down' in body:
            state = dataclasses.replace(state, forced_down=body['forced_down'])
        self.states[which] = state

    def puts(self):
        return [call for call in self.calls if call != 'list']


class TestCase(base.TestCase):
    """A test with a directory for journals and locks."""

    def setUp(self):
        super().setUp()
        temporary = self.useFixture(fixtures.TempDir()).path
        self.directory = os.path.join(temporary, 'state', 'safe-fixtures')
        self.journal = journal.Journal(self.directory)

    def in_child(self, act):
        """Call a function in a forked child, and assert that it passes."""
        child = system.os.fork()
        if not child:
            code = 1
            try:
                act()
                code = 0
            finally:
                os._exit(code)
        self.assertEqual(0, os.waitpid(child, 0)[1])

    def files(self, folder='journals'):
        """Return the paths in a folder of the directory."""
        where = os.path.join(self.directory, folder)
        if not os.path.isdir(where):
            return []
        return [os.path.join(where, name) for name in os.listdir(where)]

    def lines(self):
        """Return what the only journal says."""
        (path,) = self.files()
        with open(path) as file:
            return [json.loads(line) for line in file]

    def path(self, name='dead.jsonl'):
        """Return a path for a journal that nobody writes."""
        folder = os.path.join(self.directory, 'journals')
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, name)
