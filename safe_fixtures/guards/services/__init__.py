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

"""Toggle compute services, and restore them."""

from safe_fixtures.guards.services.ledger import LedgerEntry
from safe_fixtures.guards.services.mixin import SafeServicesMixin
from safe_fixtures.guards.services.model import HostedServer
from safe_fixtures.guards.services.model import ServiceGone
from safe_fixtures.guards.services.model import ServiceRef
from safe_fixtures.guards.services.model import Services
from safe_fixtures.guards.services.model import ServiceState
from safe_fixtures.guards.services.model import ServiceUnreachable
from safe_fixtures.guards.services.model import Watcher
from safe_fixtures.guards.services.outage import Moment
from safe_fixtures.guards.services.outage import Outage
from safe_fixtures.guards.services.toggle import SafeServiceToggle
from safe_fixtures.guards.services.toggle import ToggleHandle

__all__ = [
    'HostedServer',
    'LedgerEntry',
    'Moment',
    'Outage',
    'SafeServiceToggle',
    'SafeServicesMixin',
    'ServiceGone',
    'ServiceRef',
    'ServiceState',
    'ServiceUnreachable',
    'Services',
    'ToggleHandle',
    'Watcher',
]
