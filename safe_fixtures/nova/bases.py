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

from collections.abc import Callable, Collection
import contextlib
import functools
from typing import Any

from nova import test
from nova.tests.functional import integrated_helpers
import wrapt

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures.guards import dummy_data
from safe_fixtures.guards import microversion
from safe_fixtures.guards import output
from safe_fixtures.guards import payload
from safe_fixtures.guards import permissions
from safe_fixtures.guards import service_start
from safe_fixtures.guards import services
from safe_fixtures.hardening import bases as general_bases
from safe_fixtures.hardening import guards as general_guards
from safe_fixtures.hardening import life
from safe_fixtures.hardening import suite as hardening_suite
from safe_fixtures.nova import backend
from safe_fixtures.nova import cast_as_call
from safe_fixtures.nova import environment
from safe_fixtures.nova import speed
from safe_fixtures.nova import waiting
from safe_fixtures.runtime import patching

__all__ = [
    'Hardened',
    'SafeIntegratedTestBase',
    'SafeNoDBTestCase',
    'SafeProviderUsageBaseTestCase',
    'SafeTestCase',
    'guard',
    'hardened',
    'guarding_set_up',
    'run',
]


class SafeTestCase(test.TestCase):
    """A Nova test whose every effect is guarded, recorded and undone.

    It does all that ``nova.test.TestCase`` does. Besides, microversion
    ``latest`` is served at a pin, services are restored to their previous
    state, and images and flavors must be dummy. It runs on an installed
    Nova and on a source tree.

    :cvar ALLOWED_SERVICES: the services that these tests may start
        (collection of str); None means compute, conductor and scheduler.
    :cvar CHECK_SERVER_PERMISSIONS: whether to check the permissions of the
        first server that a test creates, once it is active (bool).
    :cvar MICROVERSION_PIN: the compute microversion that ``latest`` is
        served at (str); None means that of the configuration or the
        installed release.
    :cvar SERVER_PERMISSION_DEVIATIONS: permissions that these tests have
        changed on purpose (collection of
        :class:`~safe_fixtures.guards.permissions.Deviation`).
    :ivar audit_trail: the record of what the guards did
        (:class:`~safe_fixtures.AuditTrail`).
    :ivar redacted_output: masks secrets in the output
        (:class:`~safe_fixtures.RedactedOutput`).
    :ivar isolation_guard: refuses what leaves the test
        (:class:`~safe_fixtures.IsolationGuard`).
    :ivar service_start_guard: watches who starts services
        (:class:`~safe_fixtures.ServiceStartGuard`).
    :ivar posture_guard: compares the process before and after
        (:class:`~safe_fixtures.PostureGuard`).
    :ivar service_toggle: toggles services
        (:class:`~safe_fixtures.SafeServiceToggle`).
    :ivar microversion_pin: the pin
        (:class:`~safe_fixtures.MicroversionPin`).
    :ivar dummy_data_guard: checks images and flavors
        (:class:`~safe_fixtures.DummyDataGuard`).
    :ivar payload_guard: checks the bodies of requests
        (:class:`~safe_fixtures.PayloadGuard`).
    :ivar server_permissions: checks who can do what to a server
        (:class:`~safe_fixtures.ServerPermissions`).

    Example::

        class TestMaintenance(SafeIntegratedTestBase):
            ADMIN_API = True

            def test_disabled_host(self):
                with self.service_toggle.disable('compute'):
                    ...
    """

    ALLOWED_SERVICES: Collection[str] | None = None
    CHECK_SERVER_PERMISSIONS: bool = False
    MICROVERSION_PIN: str | None = None
    SERVER_PERMISSION_DEVIATIONS: Collection[permissions.Deviation] = ()

    def run(self, result: Any = None) -> Any:
        """Run the test; see ``testtools.TestCase``."""
        return run(super().run, self, (result,), {})

    def _run_setup(self, result: Any) -> Any:
        # A subclass may call the run of a base by its name.
        returned = super()._run_setup(result)
        life.require_guards(self, test.TestCase)
        return returned

    def setUp(self) -> None:
        guard(self, super().setUp)

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
        """Assert that all images and flavors of the test are dummy.

        :raises: SafetyViolation (SF301, SF302) for the first that is not.
        """
        self.dummy_data_guard.assert_only_dummy_data()

    def assertServerPermissions(
        self, server: Any, deviations: Collection[permissions.Deviation] = ()
    ) -> None:
        """Assert that everybody may do to a server what they should.

        :param server: its id (str), or the server as the API shows it
            (mapping).
        :param deviations: see :class:`safe_fixtures.ServerPermissions`.
        :raises: SafetyViolation (SF502) that names all that is wrong.
        """
        self.server_permissions.assert_permissions(
            server, deviations=deviations
        )

    def assertPosture(self, **facts: Any) -> None:
        """Assert facts about the posture.

        :param facts: see :meth:`safe_fixtures.PostureGuard.assert_posture`.
        :raises: AssertionError that lists every fact that is wrong.
        """
        self.posture_guard.assert_posture(**facts)


class Hardened(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """Marks the methods of ``nova.test.TestCase`` that are wrapped."""


def run(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """Prepare a test before any code of it, and run it by *wrapped*.

    A base may call ``nova.test.TestCase.setUp`` by name, so that is wrapped
    until the end of the run.
    """
    with contextlib.ExitStack() as stack:
        if not isinstance(vars(test.TestCase)['setUp'], Hardened):
            stack.callback(
                patching.patch_attribute(
                    test.TestCase, 'setUp', guarding_set_up()
                )
            )
        # Not in setUp: some tests need it before the setUp of their base.
        stack.enter_context(environment.InstalledNova())
        stack.enter_context(life.prepared(instance, test.TestCase))
        return wrapped(output.masked(_result_of(*args, **kwargs)))


def _result_of(result: Any = None) -> Any:
    return result


def guarding_set_up() -> Hardened:
    """Return the set-up of Nova's base, wrapped to be guarded."""
    return Hardened(vars(test.TestCase)['setUp'], _set_up)


def _set_up(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> None:
    if general_guards.is_guarded(instance) is None:
        guard(instance, wrapped)
    else:
        wrapped(*args, **kwargs)


def guard(case: Any, set_up: Callable[[], None]) -> None:
    """Set up a test of Nova's bases inside of all guards.

    :param case: the test case.
    :param set_up: its own set-up.
    :raises: ConfigurationError, before anything is set up.
    """
    settings = conf.load()
    trail = _guard_process(case)
    _prepare_nova(case, settings)
    set_up()
    case.isolation_guard.check_configuration()
    case.audit_trail = trail
    _guard_api(case)
    if settings.wait_for_change:
        case.useFixture(waiting.WaitForChange(trail=trail))
    general_guards.note_guarded(case, True)


def _guard_process(case: Any) -> audit.AuditTrail:
    """Set up the guards that also cover Nova's own set-up and cleanup."""
    guards = general_guards.guard_process(case)
    case.redacted_output = guards.output
    case.posture_guard = guards.posture
    case.isolation_guard = guards.isolation
    case.service_start_guard = _use(case, service_start.ServiceStartGuard)
    return guards.trail


def _prepare_nova(case: Any, settings: Any) -> None:
    """Watch Nova before it starts a service or creates its flavors."""
    if settings.speed_up:
        # First: what it sets up is for all of Nova.
        case.useFixture(speed.WarmNova())
    if settings.wait_for_change:
        # Until the last service has stopped.
        case.useFixture(waiting.PromptBus())
    # Before the first server listens.
    case.addCleanup(cast_as_call.permit(case))
    # The flavors of Nova's set-up are dummy.
    case.addCleanup(backend.BACKEND.dummy_source.record())
    case.addCleanup(backend.BACKEND.service_starts.note_started())
    # Whose records are all new then.
    case.addCleanup(backend.BACKEND.services.watch_from_start())


def _guard_api(case: Any) -> None:
    """Set up the guards that look at requests."""
    case.microversion_pin = _use(
        case,
        microversion.MicroversionPin,
        getattr(case, 'MICROVERSION_PIN', None),
    )
    case.dummy_data_guard = _use(case, dummy_data.DummyDataGuard)
    case.payload_guard = _use(case, payload.PayloadGuard)
    case.service_toggle = _use(case, services.SafeServiceToggle)
    # Last, as it checks a server after the other guards have seen the call.
    case.server_permissions = _use(
        case,
        permissions.ServerPermissions,
        check_first=getattr(case, 'CHECK_SERVER_PERMISSIONS', False),
        deviations=getattr(case, 'SERVER_PERMISSION_DEVIATIONS', ()),
    )


def _use(case: Any, fixture: Any, *args: Any, **kwargs: Any) -> Any:
    return case.useFixture(fixture(*args, test=case, **kwargs))


@functools.cache
def hardened(base: type) -> Any:
    """Return a drop-in replacement for a Nova test base or test class.

    :class:`SafeTestCase` comes between the base and ``nova.test.TestCase``.
    So everything the base does is guarded, and its own attributes and
    methods stay the same. The same base gives the same class each time.

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
    return general_bases.subclass_of(base, base, SafeTestCase)


hardening_suite.claim(test.TestCase, hardened, run)
SafeNoDBTestCase = hardened(test.NoDBTestCase)
SafeIntegratedTestBase = hardened(integrated_helpers._IntegratedTestBase)
SafeProviderUsageBaseTestCase = hardened(
    integrated_helpers.ProviderUsageBaseTestCase
)
