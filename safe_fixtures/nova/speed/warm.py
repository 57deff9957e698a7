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

"""All cures at once."""

from collections.abc import Iterable
from typing import Any

import fixtures

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import conf
from safe_fixtures.nova.speed import aliases
from safe_fixtures.nova.speed import collection
from safe_fixtures.nova.speed import connections
from safe_fixtures.nova.speed import cure
from safe_fixtures.nova.speed import databases
from safe_fixtures.nova.speed import fields
from safe_fixtures.nova.speed import options
from safe_fixtures.nova.speed import policy
from safe_fixtures.nova.speed import routes
from safe_fixtures.nova.speed import schemas
from safe_fixtures.nova.speed import statements
from safe_fixtures.nova.speed import transactions

__all__ = ['CURES', 'WarmNova']

#: All cures; what wins most comes first.
CURES: tuple[type[cure.Cure], ...] = (
    collection.Collection,
    statements.Statements,
    connections.Connections,
    policy.Policy,
    options.Options,
    routes.Routes,
    databases.Databases,
    schemas.Schemas,
    aliases.Aliases,
    transactions.Transactions,
    fields.Fields,
)


class WarmNova(fixtures.Fixture):
    """Sets up Nova's tests from what earlier tests of the process left.

    Nothing but time changes: each cure remembers results by all that they
    depend on, and leaves alone what a test customises. The hardened bases
    use it unless ``[safe_fixtures] speed_up`` is false.

    All that is patched is restored at cleanup. What is remembered stays in
    the process.

    Example::

        def setUp(self):
            self.useFixture(WarmNova())
            super().setUp()

    :param without: names of cures to leave out (list of str); default:
        ``[safe_fixtures] speed_up_without``.
    :param trail: see :class:`safe_fixtures.SafeServiceToggle`.
    :raises: ConfigurationError for a name that no cure has.
    """

    def __init__(
        self,
        *,
        without: Iterable[str] | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__()
        self._given = without
        self._given_trail = trail

    def setUp(self) -> None:
        """Set up; see the class."""
        # Not in _setUp, whose errors come wrapped.
        if self._given is None:
            self._without = conf.load().speed_up_without
        else:
            self._without = conf.check('speed_up_without', self._given)
        super().setUp()

    def _setUp(self) -> None:
        used = [each for each in CURES if each.name not in self._without]
        before = {each: _counted(each) for each in used}
        self.addCleanup(self._record, before)
        for each in used:
            self.useFixture(each())

    def _record(self, before: dict[type[cure.Cure], list[int]]) -> None:
        trail = self._given_trail or audit.current()
        if trail is None or not before:
            return
        counts: dict[str, list[int]] = {}
        off: dict[str, str] = {}
        for each, then in before.items():
            now = _counted(each)
            if now != then:
                counts[each.name] = [now[0] - then[0], now[1] - then[1]]
            if each.counts.off is not None:
                off[each.name] = each.counts.off
        more: dict[str, Any] = {'off': off} if off else {}
        trail.record(
            events.SPEED_UP,
            'Nova',
            target_type='service/compute',
            event_type='monitor',
            cures=counts,
            **more,
        )


def _counted(each: type[cure.Cure]) -> list[int]:
    return [each.counts.hits, each.counts.misses]
