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

"""What the isolation of a test consists of: one concern for each rule."""

from collections.abc import Collection
from typing import Any, NamedTuple, Protocol

__all__ = ['Concern', 'Finding']


class Finding(NamedTuple):
    """Something that leaves the test.

    :ivar code: the rule it breaks (str).
    :ivar message: what is done to what (str), without secrets.
    :ivar target: the name of what it is done to (str).
    :ivar error: what is raised instead where the rule only records, as what
        it is done to must be out of reach all the same.
    """

    code: str
    message: str
    target: str
    error: Exception | None = None


class Concern(Protocol):
    """Judges events of the interpreter (PEP 578).

    :ivar events: the names of the events that it wants to see.
    """

    events: Collection[str]

    def judge(self, event: str, args: tuple[Any, ...]) -> Finding | None:
        """Return what is wrong with an event, or None.

        It is called before what the event tells of is done, in the thread
        that does it. No event that it causes itself is seen.
        """
