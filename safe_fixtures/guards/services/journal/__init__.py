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

"""What is owed to the services of a live cloud, on disk, and its locks."""

from safe_fixtures.guards.services.journal.cloud import canonical
from safe_fixtures.guards.services.journal.journal import Journal
from safe_fixtures.guards.services.journal.journal import of
from safe_fixtures.guards.services.journal.locks import Holder
from safe_fixtures.guards.services.journal.locks import LockHeld
from safe_fixtures.guards.services.journal.locks import ServiceLock
from safe_fixtures.guards.services.journal.owners import Owner
from safe_fixtures.guards.services.journal.plans import plan
from safe_fixtures.guards.services.journal.plans import Row
from safe_fixtures.guards.services.journal.plans import why_refused
from safe_fixtures.guards.services.journal.reading import left
from safe_fixtures.guards.services.journal.reading import left_by_dead
from safe_fixtures.guards.services.journal.reading import read
from safe_fixtures.guards.services.journal.records import Debt
from safe_fixtures.guards.services.journal.records import Record
from safe_fixtures.guards.services.journal.records import Service
from safe_fixtures.guards.services.journal.replaying import replay
from safe_fixtures.guards.services.journal.storage import JournalError

__all__ = [
    'Debt',
    'Holder',
    'Journal',
    'JournalError',
    'LockHeld',
    'Owner',
    'Record',
    'Row',
    'Service',
    'ServiceLock',
    'canonical',
    'left',
    'left_by_dead',
    'of',
    'plan',
    'read',
    'replay',
    'why_refused',
]
