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

"""The interface of the isolation checks; there is one check for each rule."""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, Protocol

__all__ = ['Args', 'Check', 'Finding']

#: The arguments of an interpreter event.
Args = tuple[Any, ...]


class Finding(NamedTuple):
    """Something a test does beyond its own bounds.

    :ivar code: the rule it breaks (str).
    :ivar message: what is done to what (str), without secrets.
    :ivar target: the name of what it is done to (str).
    :ivar error: raised where the rule only records, because the target must
        stay out of reach, unless the run only looks (Exception or None).
    :ivar is_violation: whether it breaks the rule. If not, it is no fault of
        the test; it is recorded, and the error is raised (bool).
    """

    code: str
    message: str
    target: str
    error: Exception | None = None
    is_violation: bool = True


class Check(Protocol):
    """Checks interpreter events (PEP 578).

    :ivar events: the names of the events it wants to see.
    """

    events: Collection[str]

    def on_event(self, event: str, args: Args) -> Finding | None:
        """Return what is wrong with an event, or None.

        It is called in the thread that causes the event, before the act
        itself. Events that the check causes are not reported to it.
        """

    def finish(self) -> Iterable[Finding]:
        """Return what only shows afterwards, when the guard's part ends."""
        return ()
