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

"""Check who may do what to a server."""

from safe_fixtures.guards.permissions.guard import ServerPermissions
from safe_fixtures.guards.permissions.guard import WrongPermissions
from safe_fixtures.guards.permissions.model import Attempt
from safe_fixtures.guards.permissions.model import Deviation
from safe_fixtures.guards.permissions.model import Finding
from safe_fixtures.guards.permissions.model import Operation
from safe_fixtures.guards.permissions.model import PermissionSource
from safe_fixtures.guards.permissions.model import Persona
from safe_fixtures.guards.permissions.model import Prober
from safe_fixtures.guards.permissions.model import ServerRecord

__all__ = [
    'Attempt',
    'Deviation',
    'Finding',
    'Operation',
    'PermissionSource',
    'Persona',
    'Prober',
    'ServerPermissions',
    'ServerRecord',
    'WrongPermissions',
]
