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

"""Say in ``disabled_reason`` which run has disabled a service.

Other runs, also on other machines, see it and wait. Nova cannot compare and
set, so two runs that write at the same moment are told apart only when each
reads back what it wrote.
"""

import re
from typing import NamedTuple

__all__ = ['Marker', 'find']

# As long as a reason may be in Nova.
_LONGEST = 255
_FORM = re.compile(
    r'\[safe-fixtures ([0-9a-f]{8}) on ([\w.-]{1,64}) pid ([0-9]{1,10})\]\Z'
)


class Marker(NamedTuple):
    """Which run has disabled a service.

    :ivar run: the first eight digits of the id of the run (str).
    :ivar host: the name of its machine (str).
    :ivar pid: its process (int).
    """

    run: str
    host: str
    pid: int

    def added_to(self, reason: str | None) -> str:
        """Return a reason that ends with the marker.

        :param reason: cut where it would be too long for Nova.
        """
        room = _LONGEST - len(str(self)) - 1
        return f'{(reason or "")[:room]} {self}'.lstrip()

    def __str__(self) -> str:
        return f'[safe-fixtures {self.run} on {self.host} pid {self.pid}]'


def find(reason: str | None) -> Marker | None:
    """Return the marker at the end of a reason, or None."""
    found = _FORM.search(reason or '')
    return found and Marker(found[1], found[2], int(found[3]))
