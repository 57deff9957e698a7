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

from collections.abc import Callable, Iterable, Mapping
import os
from typing import Protocol
import unittest

from oslo_config import cfg

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import guard
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.guards.isolation import check
from safe_fixtures.guards.isolation import configuration as options
from safe_fixtures.guards.isolation import credentials as secrets
from safe_fixtures.guards.isolation import files as host_files
from safe_fixtures.guards.isolation import network as hosts
from safe_fixtures.guards.isolation import processes as programs
from safe_fixtures.guards.isolation import scope

__all__ = ['IsolationGuard', 'install']


class ConfigSource(Protocol):
    """The options of the project under test."""

    def configs(self) -> Mapping[str, cfg.ConfigOpts]:
        """Return the ``ConfigOpts`` besides ``cfg.CONF``, by name."""


_SOURCE = plugins.Source[ConfigSource]('posture')


class IsolationGuard(guard.Guard):
    """Refuses what leaves the test: SF401 to SF406.

    It checks the events that the interpreter itself reports (PEP 578), in
    every thread and greenlet, however a function was imported. A thread that
    outlives its test is still checked, and its violations are recorded for
    that test. Of nested guards, the innermost decides.

    Authentication variables are taken out of the environment while it is
    active. They, and all else that it changes, are restored at cleanup.

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
            # Options that nobody has set up for a test say nothing yet.
            self._check_options(set_up_only=True)
            if self._is_watched('SF404'):
                self._hide_credentials()
        except BaseException:
            self.cleanUp(raise_first=False)
            raise

    def _setUp(self) -> None:
        super()._setUp()
        self.addCleanup(self._scope.leave)
        self._scope.enter(self)
        self.addCleanup(self._scope.finish)

    def check_configuration(self) -> None:
        """Check the options of the project under test, as they are now.

        The guard checks options at its set-up if they were set up before.
        The hardened bases set up this guard first, and call this method
        after Nova's own set-up.

        :raises: SafetyViolation (SF401, SF402, SF403) for the first option
            that leads outside the test.
        """
        self._check_options()

    def _new_scope(self) -> scope.Scope:
        settings = self._settings
        allowed = {
            name: (
                getattr(settings, name)
                if given is None
                else conf.check(name, given)
            )
            for name, given in self._given.items()
        }
        checks: dict[str, Callable[[], check.Check]] = {
            'SF401': lambda: hosts.Network(allowed['allowed_hosts']),
            'SF404': lambda: secrets.CredentialFiles(
                os.environ, conf.environ()
            ),
            'SF405': lambda: host_files.HostFiles(allowed['allowed_paths']),
            'SF406': lambda: programs.Processes(allowed['allowed_programs']),
        }
        endpoints = (*allowed['allowed_hosts'], *settings.allowed_endpoints)
        return scope.Scope(
            [
                make()
                for code, make in checks.items()
                if self._is_watched(code)
            ],
            endpoints if self._configuration else None,
            self._test,
            settings,
        )

    def _is_watched(self, code: str) -> bool:
        return self._wanted[code] and self._settings.mode_of(code) != 'off'

    def _check_options(self, *, set_up_only: bool = False) -> None:
        if self._scope.endpoints is None:
            return
        source = _SOURCE.find()
        others = source.configs().values() if source else ()
        for each in (cfg.CONF, *others):
            if each._namespace is not None or not set_up_only:
                for finding in options.faults(each, self._scope.endpoints):
                    self._scope.report(finding)

    def _hide_credentials(self) -> None:
        names, restore = secrets.hide(os.environ)
        self.addCleanup(restore)
        if names and self._violate(
            exceptions.SafetyViolation(
                'SF404', 'in the environment: ' + ', '.join(names)
            ),
            'environment',
            keep=False,
            target_type=scope.TARGET_TYPES['SF404'],
        ):
            # It is waived: leave them where the test looks for them.
            restore()
        elif self._settings.only_looks('SF404'):
            restore()


def install() -> None:
    """Guard this process from now to its end, outside tests too.

    The defaults of ``[safe_fixtures]`` then apply to imports, to the set-up
    and tear-down of classes, to exit handlers, and to tests that use no
    :class:`~safe_fixtures.IsolationGuard`. ``safe-fixtures run`` calls it in
    each of its processes. The environment is left alone outside tests. Later
    calls do nothing.

    :raises: ConfigurationError; nothing is guarded then.
    """
    scope.enter_process(IsolationGuard()._new_scope)
