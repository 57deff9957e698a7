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

"""Establish who can do what to a server, by trying it."""

from collections.abc import Iterable, Mapping
import contextlib
import contextvars
import dataclasses
import re
import time
from typing import Any
import unittest

from safe_fixtures import audit
from safe_fixtures.boundary import endpoints
from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.guards.permissions import checks
from safe_fixtures.guards.permissions import creation as permissions_creation
from safe_fixtures.guards.permissions import matrix as permissions_matrix
from safe_fixtures.guards.permissions import model

__all__ = [
    'ServerPermissions',
    'WrongPermissions',
]


_SERVER = re.compile(r'/servers/([0-9a-fA-F-]{36})$')
# Whether the requests of this thread are those of a matrix.
_checking: contextvars.ContextVar[bool] = contextvars.ContextVar(
    'safe_fixtures_permissions', default=False
)


class WrongPermissions(exceptions.SafetyViolation):
    """Somebody can do to a server what they should not, or cannot (SF502).

    :ivar server: its id (str).
    :ivar findings: all that is wrong (tuple of Finding).
    """

    def __init__(
        self,
        message: str,
        *,
        server: str,
        findings: tuple[model.Finding, ...],
    ) -> None:
        super().__init__('SF502', message)
        self.server = server
        self.findings = findings


class ServerPermissions(guard.Guard):
    """Checks who can do what to a server, by real requests.

    Each persona tries each operation, and what comes of it must be what the
    policy defaults of the installed Nova release say, whatever policy is in
    force. What differs is SF502, in one violation for a server. Nothing is
    done to the server: what gets past policy is stopped where the API would
    do it, and what is destructive is asked of the policy engine by whom it
    is allowed. All that is patched for that is given back when a check
    ends.

    Example::

        permissions = self.useFixture(ServerPermissions(self.api_fixture))
        server = self._create_server(networks='none')
        permissions.assert_permissions(server)

    :param api_fixture: the API (OSAPIFixture of Nova); default: the one at
        which the server was created while this was active.
    :param deviations: permissions that the test has changed on purpose
        (iterable of :class:`~safe_fixtures.guards.permissions.Deviation`).
    :param check_first: whether the first server that is created is checked,
        as soon as a response shows it active.
    :param source: a
        :class:`~safe_fixtures.guards.permissions.PermissionSource`;
        default: the Nova in this process.
    :param test: the test case; default: the one that uses the fixture.
    :param trail: where acts are recorded; default: the active trail.
    :raises: ConfigurationError at set-up where there is no source, for an
        API that is not served in this process, and for a deviation of an
        unknown persona or operation.
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
        source = self._given_source or getattr(
            plugins.find(), 'permissions', None
        )
        if source is None:
            raise exceptions.ConfigurationError(
                'ServerPermissions source',
                None,
                'no Nova is imported whose servers could be checked; give a '
                'PermissionSource',
            )
        self._source: model.PermissionSource = source
        self._endpoint = None
        if self._api_fixture is not None:
            if not getattr(self._api_fixture, 'stub_keystone', True):
                raise exceptions.ConfigurationError(
                    'ServerPermissions api_fixture',
                    self._api_fixture,
                    'its authentication must be stubbed',
                )
            base_url = getattr(self._api_fixture, 'base_url', '')
            self._endpoint = permissions_creation.endpoint_of(base_url)
            self._check_endpoint(self._endpoint)
        self._deviations = self._indexed(self._given_deviations)

    def _setUp(self) -> None:
        super()._setUp()
        self._creations: dict[str, permissions_creation.Creation] = {}
        # Those of several servers, by the first of them or the reservation.
        self._shared: dict[str, permissions_creation.Creation] = {}
        # The one server that is to be checked, until it is.
        self._awaited: str | None = None
        self._first_is_over = not self._check_first
        watching = contextlib.ExitStack()
        self.addCleanup(watching.close)
        self._watched = watching.enter_context(self._source.watching_policy())
        if conf.mode_of('SF502') == 'off':
            return
        self.useFixture(gate.ApiGate(self))
        self.addCleanup(self._forget)

    def assert_permissions(
        self, server: Any, *, deviations: Iterable[model.Deviation] = ()
    ) -> None:
        """Check who can do what to a server.

        It costs about eighty requests.

        :param server: its id (str), or the server as the API shows it
            (mapping).
        :param deviations: permissions that the test has changed on purpose,
            besides those of the fixture.
        :raises: WrongPermissions (SF502), a SafetyViolation, that names all
            that is not as it should be, if the rule is enforced;
            ConfigurationError for a server that there is not, and for
            deviations as at set-up.
        """
        if conf.mode_of('SF502') == 'off':
            return
        server_id = server['id'] if isinstance(server, Mapping) else server
        stated = {**self._deviations, **self._indexed(deviations)}
        record = self._source.server(server_id)
        if record is None:
            raise exceptions.ConfigurationError(
                'server', server_id, 'there is no such server, or not yet'
            )
        if self._awaited == server_id:
            self._awaited = None
        creation = self._creation_of(server_id)
        endpoint = self._endpoint_for(creation)
        microversion = self._microversion()
        token = _checking.set(True)
        began = time.monotonic()
        try:
            matrix = permissions_matrix.Matrix(
                self._source, record, microversion, stated
            )
            matrix.run(endpoint, self._watched)
        finally:
            _checking.reset(token)
        after = self._source.server(server_id)
        findings = [
            *matrix.findings,
            *checks.attributes(record, matrix, creation),
            *checks.changes(record, after, matrix),
        ]
        self.trail.record(
            'evaluate/permissions',
            server_id,
            target_id=server_id,
            outcome='failure' if findings else 'success',
            event_type='monitor',
            requests=matrix.requests,
            seconds=round(time.monotonic() - began, 6),
            microversion=microversion,
            not_checked=[
                *matrix.left_out,
                *checks.unknown(creation, matrix),
            ],
            rules_set_aside=list(matrix.set_aside),
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
                    'are wrong: '
                    + '; '.join(str(finding) for finding in findings),
                    server=server_id,
                    findings=tuple(findings),
                ),
                server_id,
            )

    def before(self, call: gate.ApiCall) -> None:
        """Do nothing; see ``gate.Observer``."""

    def after(self, call: gate.ApiCall) -> None:
        """Note who creates servers; see ``gate.Observer``."""
        if call.method in ('DELETE', 'POST'):
            if call.response.ok and not _checking.get():
                self._note(call)
        elif (
            self._awaited is not None
            and call.method == 'GET'
            and not _checking.get()
            and _shows_active(call, self._awaited)
        ):
            self.assert_permissions(self._awaited)

    def _note(self, call: gate.ApiCall) -> None:
        if not call.is_compute:
            return
        path = call.path
        existing = permissions_creation.PART_OF_SERVER.match(path)
        if existing is not None:
            self._note_change(call, existing[1], existing[2])
        elif path in ('/servers', '/os-volumes_boot'):
            self._note_creation(call)

    def _note_creation(self, call: gate.ApiCall) -> None:
        created = permissions_creation.part_of(call.response_body, 'server')
        asked = permissions_creation.part_of(call.body, 'server')
        server_id: str | None = created.get('id')
        reservation: str | None = permissions_creation.part_of(
            call.response_body
        ).get('reservation_id')
        key = server_id or reservation
        if key is None:
            return
        headers = call.request.headers
        creation = permissions_creation.Creation(
            permissions_creation.endpoint_of(call.url),
            headers.get('X-Auth-User'),
            headers.get('X-Auth-Project-Id'),
            permissions_creation.security_groups_in(asked),
            permissions_creation.passwords_in(created, asked),
        )
        if server_id:
            self._creations[server_id] = creation
        if {'max_count', 'min_count', 'return_reservation_id'} & asked.keys():
            # The others have the reservation of the first.
            self._shared[key] = dataclasses.replace(creation)
        if self._first_is_over:
            return
        self._first_is_over = True
        self._awaited = server_id
        if not server_id:
            self._not_checked('its id was not in the response')

    def _note_change(
        self, call: gate.ApiCall, server_id: str, what: str | None
    ) -> None:
        if what is None:
            if server_id == self._awaited and call.method == 'DELETE':
                self._not_checked('it is deleted before it was seen active')
            return
        creation = self._creation_of(server_id)
        if creation is None:
            return
        asked = permissions_creation.part_of(call.body)
        # Whether it came to that only the records tell.
        if (
            what == 'os-interface'
            or asked.keys() & permissions_creation.CHANGE_GROUPS
        ):
            creation.security_groups = None
        answer = permissions_creation.part_of(call.response_body)
        creation.passwords |= permissions_creation.passwords_in(
            answer,
            permissions_creation.part_of(answer, 'server'),
            *map(permissions_creation.part_of, asked.values()),
        )

    def _creation_of(
        self, server_id: str
    ) -> permissions_creation.Creation | None:
        """Return the request that created a server, if it was seen."""
        creation = self._creations.get(server_id)
        if creation is not None or not self._shared:
            return creation
        reservation = getattr(
            self._source.server(server_id), 'reservation', None
        )
        for key, shared in self._shared.items():
            first = getattr(self._source.server(key), 'reservation', None)
            if reservation is not None and reservation in (key, first):
                # What is done to one of them is not done to the others.
                self._creations[server_id] = dataclasses.replace(shared)
                break
        return self._creations.get(server_id)

    def _not_checked(self, why: str) -> None:
        server_id, self._awaited = self._awaited, None
        self.trail.record(
            'evaluate/permissions',
            server_id or 'no server',
            outcome='unknown',
            event_type='monitor',
            not_checked=[f'all: {why}'],
        )

    def _forget(self) -> None:
        if self._awaited is not None:
            self._not_checked('it was not seen active before the test ended')
        elif not self._first_is_over:
            self._not_checked('no server was seen to be created')
        self._creations = {}
        self._shared = {}

    def _indexed(
        self, deviations: Iterable[model.Deviation]
    ) -> dict[tuple[str, str], model.Deviation]:
        deviations = list(deviations)
        indexed: dict[tuple[str, str], model.Deviation] = {}
        for deviation in deviations:
            if not isinstance(deviation, model.Deviation):
                raise exceptions.ConfigurationError(
                    'ServerPermissions deviations',
                    deviation,
                    'each must be a Deviation',
                )
        if not deviations:
            return {}
        for what, known in (
            ('persona', [each.name for each in self._source.personas()]),
            ('operation', [each.name for each in self._source.operations]),
        ):
            for deviation in deviations:
                name = getattr(deviation, what)
                if name not in known:
                    raise exceptions.ConfigurationError(
                        f'Deviation {what}',
                        name,
                        f'it must be one of {", ".join(known)}',
                    )
        for each in deviations:
            other = indexed.setdefault((each.persona, each.operation), each)
            if other.expected != each.expected:
                raise exceptions.ConfigurationError(
                    'ServerPermissions deviations',
                    each,
                    f'it contradicts {other}',
                )
        return indexed

    def _endpoint_for(
        self, creation: permissions_creation.Creation | None
    ) -> str:
        endpoint = self._endpoint
        if endpoint is None and creation is not None:
            endpoint = creation.endpoint
        if endpoint is None:
            client = getattr(self._test, 'api', None)
            endpoint = permissions_creation.endpoint_of(
                getattr(client, 'base_url', '')
            )
        self._check_endpoint(endpoint)
        return endpoint

    def _check_endpoint(self, endpoint: str) -> None:
        if not endpoints.is_intercepted(endpoint):
            raise exceptions.ConfigurationError(
                'ServerPermissions api_fixture',
                endpoint,
                'give an OSAPIFixture that is set up, as what is stopped is '
                'stopped in this process only',
            )

    def _microversion(self) -> str:
        pin = getattr(self._test, 'MICROVERSION_PIN', None)
        return self._source.microversion(
            pin or self._settings.pinned_microversion
        )


def _shows_active(call: gate.ApiCall, server_id: str) -> bool:
    if call.response.status_code != 200:
        return False
    found = _SERVER.search(call.path)
    if found is None and call.path != '/servers/detail':
        return False
    if found is not None and found[1] != server_id:
        return False
    body = permissions_creation.part_of(call.response_body)
    shown = [body.get('server'), *(body.get('servers') or ())]
    return any(
        server.get('id') == server_id
        and server.get('status') == 'ACTIVE'
        and not server.get('OS-EXT-STS:task_state')
        for server in shown
        if isinstance(server, dict)
    )
