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

"""What is owed, and how a journal says it: one JSON object a line."""

from collections.abc import Collection, Iterable, Mapping
import dataclasses
import datetime
from typing import Any, NamedTuple

from safe_fixtures.guards.services.journal import owners
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import clock
from safe_fixtures.runtime import printable
from safe_fixtures.runtime import system

__all__ = [
    'INTEND',
    'LONGEST',
    'SETTLE',
    'VERSION',
    'Debt',
    'Record',
    'Service',
    'header',
    'intent',
    'line',
    'now',
    'settlement',
    'service_of',
    'state_of',
]

#: The version of the form of a journal.
VERSION = 1
#: The fields that say what a line is.
INTEND, SETTLE = 'intend', 'settle'
#: How many bytes a line may have.
LONGEST = 2**20


class Service(NamedTuple):
    """A service of a cloud.

    :ivar endpoint: the URL of the compute API (str).
    :ivar region: the region of the cloud (str); None if it is unknown.
    :ivar uuid: its uuid (str).
    :ivar host: the host it runs on (str).
    :ivar binary: such as ``nova-compute`` (str).
    """

    endpoint: str
    region: str | None
    uuid: str
    host: str
    binary: str

    def __str__(self) -> str:
        return printable.line(f'{self.binary} on {self.host}')


@dataclasses.dataclass(frozen=True, slots=True)
class Debt:
    """A service that was changed, and is owed its state before that.

    :ivar service: which service (Service).
    :ivar before: the state that it is owed (ServiceState).
    :ivar made: every state that its owner has made since, or was about to
        make (frozenset of ServiceState).
    :ivar test_id: the test that changed it first (str or None).
    :ivar at: when that was (str or None).
    """

    service: Service
    before: model.ServiceState
    made: frozenset[model.ServiceState]
    test_id: str | None = None
    at: str | None = None

    def is_over(
        self,
        before: model.ServiceState,
        made: Collection[model.ServiceState] | None = None,
    ) -> bool:
        """Whether somebody else has changed the service meanwhile.

        Then the owner owes it that state, and no longer the first one.

        :param before: the state before another change of the owner.
        :param made: what it has made since; default: ``made``.
        """
        made = self.made if made is None else made
        return before != self.before and before not in made


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What a journal says, as far as it can be trusted.

    :ivar owner: the process that wrote it (Owner); None if that cannot be
        read.
    :ivar debts: what is owed, in the order of the first changes (list of
        Debt).
    :ivar damaged: how many lines cannot be read, with a torn last one (int).
    :ivar is_torn: whether the last line is torn, as where the power failed
        (bool). What it says has not been done.
    :ivar path: the file (str).
    """

    owner: owners.Owner | None
    debts: list[Debt]
    damaged: int = 0
    is_torn: bool = False
    path: str = ''

    @property
    def has_holes(self) -> bool:
        """Whether a line is lost that may have said what is owed."""
        return self.damaged > int(self.is_torn)


def header(owner: owners.Owner) -> dict[str, Any]:
    """Return the first line of a journal."""
    return {'version': VERSION, **owner.as_record(), 'at': now()}


def intent(
    service: Service,
    before: model.ServiceState,
    after: model.ServiceState,
    test_id: str | None,
    at: str,
) -> dict[str, Any]:
    """Return the line on a change that is about to be made."""
    return {
        INTEND: service._asdict(),
        'before': dataclasses.asdict(before),
        'after': dataclasses.asdict(after),
        'test': test_id,
        'at': at,
    }


def settlement(service: Service) -> dict[str, Any]:
    """Return the line on a service that is as it was."""
    return {SETTLE: service._asdict(), 'at': now()}


def line(stored: Mapping[str, Any]) -> bytes:
    """Return a record as a line of a journal."""
    return system.as_json(stored).encode() + b'\n'


def now() -> str:
    """Return the time of day, for a record."""
    time = clock.utcnow()
    return datetime.datetime.isoformat(time, timespec='milliseconds')


def service_of(stored: Any) -> Service | None:
    """Return the service that a record names; None if it names none."""
    if not isinstance(stored, dict):
        return None
    names = Service._fields
    found: list[Any] = [stored.get(name) for name in names]
    region = names.index('region')
    if not _are_texts(found[:region] + found[region + 1 :]):
        return None
    if not (found[region] is None or isinstance(found[region], str)):
        return None
    return Service(*found)


def state_of(stored: Any) -> model.ServiceState | None:
    """Return the state that a record names; None if it names none."""
    if not isinstance(stored, dict):
        return None
    disabled, down = stored.get('disabled'), stored.get('forced_down')
    reason = stored.get('disabled_reason')
    if type(disabled) is not bool or type(down) is not bool:
        return None
    if not (reason is None or isinstance(reason, str)):
        return None
    return model.ServiceState(disabled, reason, down)


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
