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

"""Restore the services that the set-up of a test class changes."""

from typing import Any

from safe_fixtures.guards.services import toggle

__all__ = ['SafeServicesMixin']


class SafeServicesMixin:
    """Restores services in the cleanup of the class.

    Put it before the class whose set-up, or whose tests, change services.
    It works with classes of tempest, and with those of unittest, whose
    ``setUpClass`` must call that of its base first. A service is restored
    after the last test of the class, also if its set-up fails.

    Example::

        class TestAffinity(SafeServicesMixin, ServersAffinityTest):
            pass

    :cvar service_toggle: the toggle of the class (SafeServiceToggle).
    """

    service_toggle: toggle.SafeServiceToggle

    @classmethod
    def service_toggle_api(cls) -> Any:
        """Return the client that changes services.

        Override it for classes that are not tempest's. Default: the one of
        the admin credentials of tempest, ``os_admin``.

        :raises: AttributeError if the class has no admin credentials.
        """
        return cls.os_admin.services_client  # type: ignore[attr-defined]

    @classmethod
    def setUpClass(cls) -> None:
        """Set up the toggle, then the class."""
        if not hasattr(cls, 'addClassResourceCleanup'):
            cls._use_toggle('addClassCleanup')
        super().setUpClass()  # type: ignore[misc]

    @classmethod
    def setup_clients(cls) -> None:
        """Set up the toggle as soon as tempest has clients."""
        super().setup_clients()  # type: ignore[misc]
        cls._use_toggle('addClassResourceCleanup')

    @classmethod
    def _use_toggle(cls, add_cleanup: str) -> None:
        cls.service_toggle = toggle.SafeServiceToggle(
            api=cls.service_toggle_api()
        )
        cls.service_toggle.setUp()
        getattr(cls, add_cleanup)(cls.service_toggle.cleanUp)
