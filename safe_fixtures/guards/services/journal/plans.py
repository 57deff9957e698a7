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

"""Decide what to do about what is owed, and whether it may be done."""

from typing import Any, Literal, NamedTuple

from safe_fixtures.guards.services import clients
from safe_fixtures.guards.services.journal import cloud
from safe_fixtures.guards.services.journal import records
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import printable

__all__ = ['Outcome', 'Place', 'Plan', 'Row', 'plan', 'why_refused']

Outcome = Literal[
    'done', 'restored', 'would restore', 'conflict', 'forced', 'failed', 'gone'
]
Plan = Literal['done', 'restore', 'conflict']


class Row(NamedTuple):
    """What became of one service.

    :ivar service: which service (Service).
    :ivar wanted: the state that it is owed (ServiceState).
    :ivar found: the state it had (ServiceState); None if it is unknown.
    :ivar outcome: ``done``, ``restored``, ``would restore``, ``conflict``,
        ``forced``, ``failed`` or ``gone`` (str).
    :ivar why: what there is to say about it (str); may be empty.
    :ivar error: the request that failed (Exception), so that the caller can
        tell whether another attempt makes sense; None if none failed.
    """

    service: records.Service
    wanted: model.ServiceState
    found: model.ServiceState | None
    outcome: Outcome
    why: str = ''
    error: Exception | None = None


class Place(NamedTuple):
    """Where a cloud is.

    :ivar endpoint: the URL of its compute API, as it is compared (str).
    :ivar region: its region (str); None if it is unknown.
    """

    endpoint: str
    region: str | None

    def __str__(self) -> str:
        where = f' in region {self.region}' if self.region else ''
        return printable.line(f'{self.endpoint or "an unknown URL"}{where}')

    def has(self, service: records.Service) -> bool:
        """Whether a service is here; an unknown region fits any."""
        return service.endpoint == self.endpoint and (
            None in (self.region, service.region)
            or service.region == self.region
        )

    @classmethod
    def of(cls, api: clients.Api) -> 'Place':
        """Return where a client leads to."""
        url: Any = api.endpoint()
        try:
            return cls(cloud.canonical(url or ''), api.region())
        except ValueError:
            return cls('', api.region())


def plan(debt: records.Debt, found: model.ServiceState) -> Plan:
    """Decide what to do for a service, by the state it is found in.

    :param debt: what the service is owed (Debt).
    :param found: its state (ServiceState).
    :returns: ``done`` if it is as before; ``restore`` if it is as its owner
        made it; ``conflict`` if somebody else has changed it since.
    """
    if found == debt.before:
        return 'done'
    return 'restore' if found in debt.made else 'conflict'


def why_refused(
    record: records.Record, api: clients.Api, force: bool = False
) -> str | None:
    """Return why a journal must not be replayed; None if it may.

    :param record: what the journal says (Record).
    :param api: the client that would restore.
    :param force: replay it also if nobody here knows whether its owner
        lives (bool).
    """
    owner = record.owner
    alive = None if owner is None else owner.is_alive()
    if alive:
        return f'{owner} still runs, and restores by itself'
    if alive is None and not force:
        who = 'the process that wrote it' if owner is None else str(owner)
        return (
            f'nobody here knows whether {who} still runs; if it does not, '
            'use --force'
        )
    here = Place.of(api)
    if record.debts and not any(here.has(d.service) for d in record.debts):
        service = record.debts[0].service
        there = Place(service.endpoint, service.region)
        return f'it is about {there}, and the client about {here}'
    return None
