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

"""Check who can do what to a server, by trying it."""

from collections.abc import Iterable, Mapping
import contextvars
import re
from typing import Any
import unittest

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.boundary import endpoints
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.guards.permissions import checks
from safe_fixtures.guards.permissions import creation
from safe_fixtures.guards.permissions import matrix
from safe_fixtures.guards.permissions import model
from safe_fixtures.runtime import clock
from safe_fixtures.runtime import values

__all__ = ['ServerPermissions', 'WrongPermissions']

_SOURCE = plugins.Source[model.PermissionSource](
    'permissions', 'a PermissionSource'
)
_VERSION = re.compile(r'/v2(?:\.[0-9]+)?(?:/.*)?$')
_CREATION_PATHS = ('/servers', '/os-volumes_boot')
# Whether the requests of this thread are those of a matrix.
_checking: contextvars.ContextVar[bool] = contextvars.ContextVar(
    'safe_fixtures_permissions', default=False
)


class WrongPermissions(exceptions.SafetyViolation):
    """Somebody can do too much to a server, or too little (SF502).

    :ivar server: its id (str).
    :ivar findings: all that is wrong (tuple of Finding).
    """

    def __init__(
        self, message: str, *, server: str, findings: tuple[model.Finding, ...]
    ) -> None:
        super().__init__('SF502', message)
        self.server = server
        self.findings = findings


class ServerPermissions(guard.Guard):
    """Checks who can do what to a server, by real requests.

    Each persona tries each operation. The outcome must be what the policy
    defaults of the installed Nova release say, whatever policy is in force.
    All that differs for a server is one SF502. The server stays as it is:
    what gets past policy is stopped where the API would do it, and nobody
    whom policy allows a destructive operation requests it; the policy engine
    is asked instead. Everything that this patches is restored when a check
    ends.

    Example::

        permissions = self.useFixture(ServerPermissions(self.api_fixture))
        server = self._create_server(networks='none')
        permissions.assert_permissions(server)

    :param api_fixture: the API (OSAPIFixture of Nova); default: the one at
        which the server was created while this was active.
    :param deviations: permissions that the test has changed on purpose
        (iterable of :class:`~safe_fixtures.guards.permissions.Deviation`).
    :param check_first: whether to check the first server that is created,
        as soon as a response shows it active (bool).
    :param source: a
        :class:`~safe_fixtures.guards.permissions.PermissionSource`;
        default: the Nova in this process.
    :param test: the test case; default: the one that uses the fixture.
    :param trail: where acts are recorded; default: the active trail.
    :raises: ConfigurationError at set-up if there is no source, if the API
        is not served in this process, and for a deviation of an unknown
        persona or operation.
    """

    def __init__(
        self,
        api_fixture: Any = None,
        *,
        deviations: Iterable[model.Deviation] = (),
        check_first: bool = False,
        source: model.PermissionSource | None = None,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)
        self._api_fixture = api_fixture
        self._given_deviations = tuple(deviations)
        self._check_first = check_first
        self._given_source = source

    def _prepare(self) -> None:
        self._source = self._given_source or _SOURCE.require(
            'ServerPermissions source'
        )
        self._endpoint = None
        if self._api_fixture is not None:
            if not getattr(self._api_fixture, 'stub_keystone', True):
                raise exceptions.ConfigurationError(
                    'ServerPermissions api_fixture',
                    self._api_fixture,
                    'its authentication must be stubbed',
                )
            url = getattr(self._api_fixture, 'base_url', '')
            self._endpoint = _endpoint_of(url)
        self._deviations = matrix.by_name(self._given_deviations, self._source)

    def _setUp(self) -> None:
        super()._setUp()
        self._creations = creation.Creations(self._source)
        # The first server of the test, from its creation to its check.
        self._awaited: str | None = None
        self._first_is_over = not self._check_first
        watching = self._source.watching_policy()
        self._watched = watching.__enter__()
        self.addCleanup(watching.__exit__, None, None, None)
        if self._settings.mode_of('SF502') == 'off':
            return
        self.useFixture(gate.ApiGate(self))
        self.addCleanup(self._record_unchecked_first)

    def assert_permissions(
        self, server: Any, *, deviations: Iterable[model.Deviation] = ()
    ) -> None:
        """Check who can do what to a server.

        It costs about eighty requests.

        :param server: its id (str), or the server as the API shows it
            (mapping).
        :param deviations: permissions that the test has changed on purpose,
            besides those of the fixture.
        :raises: WrongPermissions (SF502), a SafetyViolation that names all
            that is wrong, if the rule is enforced; ConfigurationError for a
            server that does not exist, and for deviations as at set-up.
        """
        if self._settings.mode_of('SF502') == 'off':
            return
        given = server['id'] if isinstance(server, Mapping) else server
        server_id = values.plain(given)
        more = matrix.by_name(deviations, self._source)
        stated = {**self._deviations, **more}
        record = self._source.server(server_id)
        if record is None:
            raise exceptions.ConfigurationError(
                'server', server_id, 'there is no such server, or not yet'
            )
        if self._awaited == server_id:
            self._awaited = None
        began = clock.monotonic()
        check = self._check(record, stated)
        findings = tuple(check.findings())
        self._record(
            server_id,
            'failure' if findings else 'success',
            [*check.matrix.left_out, *check.left_out()],
            requests=check.matrix.prober.requests,
            seconds=round(clock.monotonic() - began, 6),
            microversion=check.matrix.microversion,
            rules_set_aside=list(check.matrix.prober.set_aside),
            outcomes=check.matrix.outcomes(),
            deviations={
                f'{each.persona}: {each.operation}': each.reason
                for each in stated.values()
            },
            findings=[str(finding) for finding in findings],
        )
        if findings:
            self._violate(
                WrongPermissions(
                    f'server {server_id}: {len(findings)} of its permissions '
                    f'are wrong: {"; ".join(map(str, findings))}',
                    server=server_id,
                    findings=findings,
                ),
                server_id,
            )

    def _check(
        self, record: model.ServerRecord, stated: matrix.Deviations
    ) -> checks.ServerChecks:
        """Try everything on a server; return what is to be checked."""
        created = self._creations.of(record.server_id)
        endpoint = self._endpoint_for(created)
        tried = matrix.Matrix(
            self._source, record, self._microversion(), stated
        )
        token = _checking.set(True)
        try:
            tried.run(endpoint, self._watched)
        finally:
            _checking.reset(token)
        after = self._source.server(record.server_id)
        return checks.ServerChecks(record, tried, created, after)

    def _endpoint_for(self, created: creation.Creation | None) -> str:
        api = getattr(self._test, 'api', None)
        url = created.url if created else getattr(api, 'base_url', '')
        # The API that was given may have been stopped since.
        return _endpoint_of(self._endpoint or url)

    def _microversion(self) -> str:
        pin = getattr(self._test, 'MICROVERSION_PIN', None)
        return self._source.microversion(
            pin or self._settings.pinned_microversion
        )

    def _record(
        self,
        server_id: str | None,
        outcome: str,
        not_checked: list[str],
        **content: Any,
    ) -> None:
        self.trail.record(
            events.PERMISSIONS,
            server_id or 'no server',
            target_id=server_id,
            outcome=outcome,
            event_type='monitor',
            not_checked=not_checked,
            **content,
        )

    def before(self, call: gate.ApiCall) -> None:
        """Do nothing; see ``gate.Observer``."""

    def after(self, call: gate.ApiCall) -> None:
        """Note who creates servers; see ``gate.Observer``."""
        if _checking.get():
            return
        if call.method in ('DELETE', 'POST'):
            if call.response.ok and call.is_compute:
                self._note(call)
        elif self._awaited and _shows_active(call, self._awaited):
            self.assert_permissions(self._awaited)

    def _note(self, call: gate.ApiCall) -> None:
        server_id, part = creation.server_in(call.path)
        if server_id is None:
            if call.path in _CREATION_PATHS:
                self._await_first(self._creations.note_creation(call))
        elif part is not None:
            self._creations.note_change(call, server_id, part)
        elif server_id == self._awaited and call.method == 'DELETE':
            self._record_unchecked(
                'it was deleted before a response showed it active'
            )

    def _await_first(self, created: creation.Creation | None) -> None:
        if created is None or self._first_is_over:
            return
        self._first_is_over = True
        self._awaited = created.server_id
        if created.server_id is None:
            self._record_unchecked('its id was not in the response')

    def _record_unchecked(self, why: str) -> None:
        server_id, self._awaited = self._awaited, None
        self._record(server_id, 'unknown', [f'all: {why}'])

    def _record_unchecked_first(self) -> None:
        if self._awaited is not None:
            self._record_unchecked('no response of the test showed it active')
        elif not self._first_is_over:
            self._record_unchecked('no response showed that one was created')


def _endpoint_of(url: str) -> str:
    """Return the URL of an API in this process, without version and project.

    :raises: ConfigurationError if it is not in this process.
    """
    endpoint = _VERSION.sub('', url)
    if not endpoints.is_intercepted(endpoint):
        raise exceptions.ConfigurationError(
            'ServerPermissions api_fixture',
            endpoint,
            'give an OSAPIFixture that is set up, as requests are stopped in '
            'this process only',
        )
    return endpoint


def _shows_active(call: gate.ApiCall, server_id: str) -> bool:
    """Whether a response shows a server active, without a running task."""
    if call.method != 'GET' or call.response.status_code != 200:
        return False
    if call.path not in (f'/servers/{server_id}', '/servers/detail'):
        return False
    body = creation.part_of(call.response_body)
    shown = [body.get('server'), *(body.get('servers') or ())]
    return any(
        server.get('id') == server_id
        and server.get('status') == 'ACTIVE'
        and not server.get('OS-EXT-STS:task_state')
        for server in shown
        if isinstance(server, dict)
    )
