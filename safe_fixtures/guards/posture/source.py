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

"""What the project under test adds to the posture of a process."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import re
import sys
from typing import Any, Protocol

from safe_fixtures.core import plugins
from safe_fixtures.guards.posture import probe

__all__ = ['SOURCE', 'Leak', 'PostureSource']


@dataclasses.dataclass(frozen=True, slots=True)
class Leak:
    """A change that no test makes, but a library or the project itself.

    Example::

        Leak(
            'environ',
            'GRPC_TRACE',
            "''",
            'grpc sets it when it is first used',
        )

    :ivar probe: the name of the probe that sees it (str).
    :ivar key: what changes, as the message has it; ``*`` stands for anything.
    :ivar after: the value afterwards; ``*`` stands for anything.
    :ivar reason: why the test did not do it (str).
    :ivar before: the value before; default: any.
    :ivar module: the module that does it (str): where it is not imported,
        nobody but the test can have done it. Default: any.
    """

    probe: str
    key: str
    after: str
    reason: str
    before: str = '*'
    module: str = ''

    def covers(self, change: Mapping[str, str]) -> bool:
        """Whether a change is this one."""
        return (
            change['probe'] == self.probe
            and _matches(change['key'], self.key)
            and _matches(change['before'], self.before)
            and _matches(change['after'], self.after)
            and (not self.module or self.module in sys.modules)
        )


def _matches(text: str, pattern: str) -> bool:
    # Not fnmatch: keys and values have brackets in them.
    parts = map(re.escape, pattern.split('*'))
    return bool(re.fullmatch('.*'.join(parts), text, re.DOTALL))


class PostureSource(Protocol):
    """What the project under test adds to the posture of a process.

    :ivar leaks: what its own test bases leave changed.
    """

    leaks: Sequence[Leak]

    def probes(self) -> Iterable[probe.Probe]:
        """Return its own probes, such as one of its policy."""

    def configs(self) -> Mapping[str, Any]:
        """Return the ``ConfigOpts`` it has besides ``cfg.CONF``, by name."""

    def is_allowed(self, rule: str, persona: str) -> bool:
        """Whether the policy in force allows a persona what a rule is about.

        :param rule: the name of the rule (str).
        :param persona: such as ``member`` (str).
        :raises: LookupError for an unknown rule or persona; its message says
            which there are.
        """


#: That of the Nova in this process.
SOURCE = plugins.Source[PostureSource]('posture')
