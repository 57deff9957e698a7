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

"""Drop-in replacements for Nova's functional test bases."""

import functools
import sys
from typing import Any

from nova import test
from nova.tests.functional import integrated_helpers

from safe_fixtures import _backend
from safe_fixtures import _guard
from safe_fixtures import _outcome
from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures import dummy_data
from safe_fixtures import exceptions
from safe_fixtures import microversion
from safe_fixtures.nova import environment
from safe_fixtures import services

__all__ = [
    'SafeIntegratedTestBase',
    'SafeNoDBTestCase',
    'SafeProviderUsageBaseTestCase',
    'SafeTestCase',
    'hardened',
]


class SafeTestCase(test.TestCase):
    """A Nova test whose every effect is guarded, recorded and undone.

    It can do all that ``nova.test.TestCase`` can. Besides, microversion
    ``latest`` is served at a pin, services are given back their prior
    state, and images and flavors must be dummy. It runs on an installed
    Nova as on a source tree.

    :cvar MICROVERSION_PIN: the compute microversion that ``latest`` is
        served at (str); None means that of the configuration or the
        installed release.
    :ivar audit_trail: the record of what the guards did
        (:class:`~safe_fixtures.AuditTrail`).
    :ivar service_toggle: toggles services
        (:class:`~safe_fixtures.SafeServiceToggle`).
    :ivar microversion_pin: the pin
        (:class:`~safe_fixtures.MicroversionPin`).
    :ivar dummy_data_guard: checks images and flavors
        (:class:`~safe_fixtures.DummyDataGuard`).

    Example::

        class TestMaintenance(SafeIntegratedTestBase):
            ADMIN_API = True

            def test_disabled_host(self):
                with self.service_toggle.disable('compute'):
                    ...
    """

    MICROVERSION_PIN: str | None = None

    def run(self, result: Any = None) -> Any:
        """Run the test; see ``testtools.TestCase``."""
        # Some tests need it before they call the setUp of their base.
        with environment.InstalledNova():
            return super().run(result)

    def setUp(self) -> None:
        # Refuse bad settings before Nova has set up anything.
        conf.load()
        trail = self.useFixture(audit.AuditTrail(self.id()))
        # From here on, so that a failure of Nova's own set-up is seen too.
        _outcome.of(self)
        self.addCleanup(_guard.conclude, self, trail)
        backend = _backend.find()
        # Before Nova creates its default flavors, which are dummy.
        self.addCleanup(backend.dummy_source.record())
        super().setUp()
        self.audit_trail = trail
        self.microversion_pin = self.useFixture(
            microversion.MicroversionPin(self.MICROVERSION_PIN, test=self)
        )
        self.dummy_data_guard = self.useFixture(
            dummy_data.DummyDataGuard(test=self)
        )
        self.service_toggle = self.useFixture(
            services.SafeServiceToggle(test=self)
        )

    def assertDummyImage(self, image: Any) -> None:
        """Assert that an image is dummy.

        :param image: its id (str), or the image itself (mapping).
        :raises: testtools.matchers.MismatchError that says why it is not.
        """
        self.assertThat(image, dummy_data.IsDummyImage())

    def assertDummyFlavor(self, flavor: Any) -> None:
        """Assert that a flavor is dummy.

        :param flavor: its flavorid (str), or the flavor itself (mapping).
        :raises: testtools.matchers.MismatchError that says why it is not.
        """
        self.assertThat(flavor, dummy_data.IsDummyFlavor())

    def assertOnlyDummyData(self) -> None:
        """Assert that all images and flavors the test has are dummy.

        :raises: SafetyViolation (SF301, SF302) for the first that is not.
        """
        self.dummy_data_guard.assert_only_dummy_data()


@functools.cache
def hardened(base: type) -> Any:
    """Return a drop-in replacement for a Nova test base or test class.

    :class:`SafeTestCase` comes between it and ``nova.test.TestCase``, so
    that everything the base does is guarded, and its own attributes and
    methods are as they were. The same base gives the same class each time.

    Example::

        class TestServers(hardened(integrated_helpers._IntegratedTestBase)):
            ADMIN_API = True

    :param base: a subclass of ``nova.test.TestCase``.
    :raises: ConfigurationError for anything else.
    """
    if not (isinstance(base, type) and issubclass(base, test.TestCase)):
        raise exceptions.ConfigurationError(
            'hardened base', base, 'it must be a nova.test.TestCase'
        )
    if issubclass(base, SafeTestCase):
        return base
    if base is test.TestCase:
        return SafeTestCase
    return type(
        f'Safe{base.__name__.lstrip("_")}',
        (base, SafeTestCase),
        {
            '__doc__': f'{base.__name__} of Nova, hardened.',
            # Where it can be found again, if it is given its own name there.
            '__module__': sys._getframe(1).f_globals['__name__'],
        },
    )


SafeNoDBTestCase = hardened(test.NoDBTestCase)
SafeIntegratedTestBase = hardened(integrated_helpers._IntegratedTestBase)
SafeProviderUsageBaseTestCase = hardened(
    integrated_helpers.ProviderUsageBaseTestCase
)
