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

"""The Nova in this process, for the guards."""

from safe_fixtures.core import plugins
from safe_fixtures.nova import dummy_data
from safe_fixtures.nova import permissions
from safe_fixtures.nova import pins
from safe_fixtures.nova import posture
from safe_fixtures.nova import service_start
from safe_fixtures.nova import services

__all__ = ['BACKEND', 'Backend']


class Backend:
    """Real Nova, as the guards of the core see it.

    :ivar microversions: its versions (``microversion.ComputeVersions``).
    :ivar services: the compute services (``services.Services``).
    :ivar service_starts: who starts them (``service_start.Starts``).
    :ivar dummy_source: images and flavors (``dummy_data.DummySource``).
    :ivar permissions: who may do what (``permissions.PermissionSource``).
    :ivar posture: policy and options (``posture.PostureSource``).
    """

    def __init__(self) -> None:
        self.microversions = pins.NovaVersions()
        self.services = services.ServiceRecords()
        self.service_starts = service_start.STARTS
        self.dummy_source = dummy_data.NovaDummySource()
        self.permissions = permissions.NovaPermissions()
        self.posture = posture.NovaPosture()


#: The backend of this process.
BACKEND = Backend()
plugins.provide(BACKEND)
