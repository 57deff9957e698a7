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

"""How long a check of the permissions of a server takes."""

import time

from safe_fixtures.audit import events
from safe_fixtures import nova as safe_nova


class _Server(safe_nova.SafeIntegratedTestBase):
    microversion = '2.79'

    def test(self):
        self.seconds = []
        server = self._create_server(networks='none')
        for _ in range(self.rounds):
            began = time.process_time()
            self.assertServerPermissions(server)
            self.seconds.append(time.process_time() - began)
        record = [
            event['attachments'][0]['content']
            for event in self.audit_trail.events
            if event['action'] == events.PERMISSIONS
        ][-1]
        print(f'a matrix of {record["requests"]} requests, in CPU seconds')
        print(f'  the first in a process  {self.seconds[0]:.2f}')
        print(f'  the others, at least    {min(self.seconds[1:]):.2f}')
        print(f'  the others, at most     {max(self.seconds[1:]):.2f}')


def main(rounds=6):
    """Print CPU seconds for the first matrix, and for others."""
    _Server.rounds = max(rounds, 2)
    result = _Server('test').defaultTestResult()
    _Server('test').run(result)
    for _, problem in (*result.errors, *result.failures):
        print(problem)
