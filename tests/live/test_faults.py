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

"""The cloud has a fault between a toggle and its restore."""

import threading
from typing import NamedTuple

from tests.live import base

# How long a process is away, of the deadline of a restore.
AWAY = 8


class Fault(NamedTuple):
    """What happens to a process between a toggle and its restore.

    :ivar name: the process.
    :ivar is_frozen: it does nothing, instead of being killed.
    :ivar comes_back: it works again after a while.
    """

    name: str
    is_frozen: bool = False
    comes_back: bool = True

    def __str__(self):
        what = 'frozen' if self.is_frozen else 'killed'
        return f'{self.name} {what}' + (' and back' if self.comes_back else '')


# Without the database, the API and Keystone nothing can be restored, unless
# they come back. A compute need not.
FAULTS = (
    *(
        Fault(name, is_frozen, comes_back)
        for name in ('compute1', 'conductor')
        for is_frozen in (False, True)
        for comes_back in (False, True)
    ),
    Fault('scheduler', comes_back=False),
    Fault('placement', comes_back=False),
    Fault('rabbit'),
    Fault('mariadb'),
    Fault('keystone'),
    Fault('nova-api'),
    Fault('rabbit', is_frozen=True),
    Fault('mariadb', is_frozen=True),
    Fault('nova-api', is_frozen=True),
)


class TestFaults(base.Scenarios):
    scenarios = [(str(fault), {'fault': fault}) for fault in FAULTS]

    def test_given_back(self):
        toggle = self.make_toggle()
        toggle.disable('compute1', reason='why')
        toggle.force_down('compute2')
        self.assertChanged('compute1', 'compute2')
        wait = self.begin()
        toggle.cleanUp()
        wait()
        self.cloud.mend()
        self.assertChanged()
        self.assertEqual([], self.journals())

    def begin(self):
        """Let the fault begin, and end after a while.

        :returns: waits for its end.
        """
        name = self.fault.name
        if self.fault.is_frozen:
            self.cloud.freeze(name)
            end = self.cloud.thaw
        else:
            self.cloud.kill(name)
            end = self.cloud.start
        if self.fault.comes_back:
            timer = threading.Timer(AWAY, end, [name])
            timer.start()
            self.addCleanup(timer.join)
            return timer.join
        return lambda: None
