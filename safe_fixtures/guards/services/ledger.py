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

"""The ledger of service changes."""

import dataclasses

from safe_fixtures.guards.services import model
from safe_fixtures.guards.services import outage as services_outage

__all__ = [
    'LedgerEntry',
]


@dataclasses.dataclass(slots=True)
class LedgerEntry:
    """One change to one service.

    :ivar service: which (ServiceRef).
    :ivar by: what changed it, and where it was called (str).
    :ivar before: its state before (ServiceState).
    :ivar after: its state after; None if the change did not come about.
    :ivar restored: how it was given back its state; None before that.
    :ivar outage: the outage that it is part of; None if no
        server was on it.
    """

    service: model.ServiceRef
    by: str
    before: model.ServiceState
    after: model.ServiceState | None = None
    restored: str | None = None
    outage: services_outage.Outage | None = None
