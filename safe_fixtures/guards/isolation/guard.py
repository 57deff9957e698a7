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

"""Keep a test from reaching what is not its own."""

from collections.abc import Callable, Iterable, Iterator
import os
from typing import Any
import unittest

from oslo_config import cfg

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import guard as core_guard
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.guards.isolation import concern as isolation_concern
from safe_fixtures.guards.isolation import configuration as options
from safe_fixtures.guards.isolation import credentials as isolation_credentials
from safe_fixtures.guards.isolation import files as isolation_files
from safe_fixtures.guards.isolation import network as isolation_network
from safe_fixtures.guards.isolation import processes as isolation_processes
from safe_fixtures.guards.isolation import scope as isolation_scope

__all__ = ['IsolationGuard', 'install']


class IsolationGuard(core_guard.Guard):
    """Refuses what leaves the test: SF401 to SF406.

    It judges the events that the interpreter itself reports (PEP 578), in
    every thread and greenlet, however a function was imported. What a thread
    does that outlives the test is judged by the guard of the test that
    started it, and recorded for that test. The innermost guard decides.

    Authentication variables are taken out of the environment while it is
    active, and given back at cleanup. So is everything else that it changes.

    Example::

        self.useFixture(IsolationGuard())
        with expect_violation('SF401'):
            socket.create_connection(('198.51.100.1', 80))

    :param network: watch the network (SF401; bool).
    :param processes: watch processes (SF406; bool).
    :param files: watch the host's files (SF405; bool).
    :param credentials: put credentials out of reach (SF404; bool).
    :param configuration: check options, engines and transports (SF401,
        SF402, SF403; bool).
    :param allowed_hosts: names, addresses and networks besides loopback
        (list of str); default: ``[safe_fixtures] allowed_hosts``.
    :param allowed_programs: programs that may be started (list of str);
        default: ``[safe_fixtures] allowed_programs``.
    :param allowed_paths: files and directories that may be written (list of
        str); default: ``[safe_fixtures] allowed_paths``.
    :param test: see :class:`SafeServiceToggle`.
    :param trail: see :class:`SafeServiceToggle`.
    :raises: ConfigurationError at set-up for an entry that makes no sense.
    :raises: SafetyViolation (SF404) at set-up if there are credentials and
        that is enforced.
    """

    def __init__(
        self,
        *,
        network: bool = True,
        processes: bool = True,
        files: bool = True,
        credentials: bool = True,
        configuration: bool = True,
        allowed_hosts: Iterable[str] | None = None,
        allowed_programs: Iterable[str] | None = None,
        allowed_paths: Iterable[str] | None = None,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)
        self._wanted = {
            'SF401': network,
            'SF404': credentials,
            'SF405': files,
            'SF406': processes,
        }
        self._configuration = configuration
        self._given = {
            'allowed_hosts': allowed_hosts,
            'allowed_programs': allowed_programs,
            'allowed_paths': allowed_paths,
        }

    def _prepare(self) -> None:
        self._scope = self._new_scope()

    def setUp(self) -> None:
        super().setUp()
        try:
            # One that nobody has set up for a test says nothing yet.
            self._check_options(lambda each: each._namespace is not None)
            if self._is_watched('SF404', self._settings):
                self._hide_credentials()
        except BaseException:
            self.cleanUp(raise_first=False)
            raise

    def _setUp(self) -> None:
        super()._setUp()
        self._scope.guard = self
        self.addCleanup(isolation_scope.leave, self._scope)
        isolation_scope.enter(self._scope)

    def check_configuration(self) -> None:
        """Check the options of the project under test, as they are now.

        They are checked at set-up if they were set up before. The hardened
        bases, which set up this guard first, call it after Nova's own set-up.

        :raises: SafetyViolation (SF401, SF402, SF403) for the first option
            that leads outside the test.
        """
        self._check_options(lambda _: True)

    def _new_scope(self) -> isolation_scope.Scope:
        settings = conf.load()
        allowed = {
            name: settings[name] if given is None else conf.check(name, given)
            for name, given in self._given.items()
        }
        paths = list(allowed['allowed_paths'])
        concerns: dict[str, Callable[[], isolation_concern.Concern]] = {
            'SF401': lambda: isolation_network.Network(
                allowed['allowed_hosts']
            ),
            'SF404': lambda: isolation_credentials.CredentialFiles(os.environ),
            'SF405': lambda: isolation_files.HostFiles(paths),
            'SF406': lambda: isolation_processes.Processes(
                allowed['allowed_programs']
            ),
        }
        return isolation_scope.Scope(
            [
                make()
                for code, make in concerns.items()
                if self._is_watched(code, settings)
            ],
            # Where an option may lead, besides where anything may.
            (*allowed['allowed_hosts'], *settings.allowed_endpoints)
            if self._configuration
            else None,
            self._test,
        )

    def _is_watched(self, code: str, settings: Any) -> bool:
        return self._wanted[code] and conf.mode_of(code, settings) != 'off'

    def _check_options(self, wanted: Callable[[Any], bool]) -> None:
        scope = self._scope
        if scope.endpoints is not None:
            for each in filter(wanted, _configurations()):
                for finding in options.faults(each, scope.endpoints):
                    scope.report(finding)

    def _hide_credentials(self) -> None:
        names, restore = isolation_credentials.hide(os.environ)
        self.addCleanup(restore)
        if names and self._violate(
            exceptions.SafetyViolation(
                'SF404', 'in the environment: ' + ', '.join(names)
            ),
            'environment',
            keep=False,
            target_type=isolation_scope.TARGET_TYPES['SF404'],
        ):
            # What is waived is left where the test looks for it.
            restore()


def install() -> None:
    """Guard this process from now to its end, outside tests too.

    What is imported, set up for a class, torn down, or done at exit is then
    judged by the defaults of ``[safe_fixtures]``, and so is what a test does
    that uses no :class:`~safe_fixtures.IsolationGuard`.
    ``safe-fixtures run`` does so in each of its processes. The environment is
    left alone outside tests. Once is enough; again changes nothing.

    :raises: ConfigurationError; nothing is then guarded.
    """
    if not isolation_scope.installed:
        isolation_scope.installed.append(IsolationGuard()._new_scope())
        isolation_scope.refresh()


def _configurations() -> Iterator[cfg.ConfigOpts]:
    yield cfg.CONF
    posture = getattr(plugins.find(), 'posture', None)
    if posture is not None:
        yield from posture.configs().values()
