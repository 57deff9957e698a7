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

"""Helpers for your own tests of fixtures, and of code that uses them."""

from collections.abc import Iterator, Mapping
import contextlib
import copy
from typing import Any
import uuid

from oslo_utils import strutils

from safe_fixtures.core.violations import expect_violation

__all__ = ['FakeComputeClient', 'FixtureContract', 'expect_violation']


class FakeComputeClient:
    """An in-process double of a compute API client, without Nova.

    It keeps services, and refuses what the API refuses: an unknown service,
    a request without a change, a reason for an enabled service.

    Example::

        client = FakeComputeClient(['host1', 'host2'])
        toggle = self.useFixture(SafeServiceToggle(api=client))
        toggle.disable('host1')

    :param hosts: the hosts, each with a compute service (list of str).
    :param servers: the ids of the servers on each host (mapping of str to
        list of str); default: there are none.
    """

    def __init__(
        self, hosts: list[str], servers: Mapping[str, list[str]] | None = None
    ) -> None:
        #: The ids of the servers on each host (dict of str to list of str).
        self.servers = {
            host: list(ids) for host, ids in (servers or {}).items()
        }
        self._services: dict[str, dict[str, Any]] = {}
        #: Every call, by method name and arguments.
        self.calls: list[tuple[Any, ...]] = []
        for host in hosts:
            key = str(uuid.uuid4())
            self._services[key] = {
                'id': key,
                'host': host,
                'binary': 'nova-compute',
                'status': 'enabled',
                'state': 'up',
                'disabled_reason': None,
                'forced_down': False,
            }

    def get_services(
        self, binary: str | None = None, host: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the services, as ``GET /os-services`` does from 2.53."""
        self.calls.append(('get_services', binary, host))
        return [
            copy.deepcopy(service)
            for service in self._services.values()
            if binary in (None, service['binary'])
            and host in (None, service['host'])
        ]

    def get_servers(
        self, detail: bool = True, search_opts: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the servers, as ``GET /servers/detail`` does."""
        self.calls.append(('get_servers', detail, dict(search_opts or {})))
        host = (search_opts or {}).get('host')
        return [
            {'id': server_id, 'status': 'ACTIVE'}
            for at, ids in self.servers.items()
            for server_id in ids
            if host in (None, at)
        ]

    def put_service(
        self, service_id: str, req: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Change a service, as ``PUT /os-services/{id}`` does from 2.53.

        :raises: LookupError for an unknown service; ValueError where the API
            answers with 400.
        """
        self.calls.append(('put_service', service_id, dict(req)))
        service = self._services.get(service_id)
        if service is None:
            raise LookupError(f'404: no service {service_id}')
        status = req.get('status')
        if status is None and 'forced_down' not in req:
            raise ValueError('400: nothing to change')
        if req.get('disabled_reason') and status != 'disabled':
            raise ValueError('400: a reason goes with disabled only')
        if status is not None:
            service['status'] = status
            service['disabled_reason'] = req.get('disabled_reason')
        if 'forced_down' in req:
            down = strutils.bool_from_string(req['forced_down'], strict=True)
            service['forced_down'] = down
        return copy.deepcopy(service)


class FixtureContract:
    """What every fixture guarantees, as tests to inherit.

    It restores what it changed: after a use, without a use, after an error,
    when it is used again, and inside another one.

    Mix it into a ``testtools.TestCase`` and define the three methods.

    Example::

        class TestMyFixture(FixtureContract, testtools.TestCase):
            def make_fixture(self):
                return MyFixture()
            def use(self, fixture):
                fixture.do_something()
            def state(self):
                return (id(module.attribute),)
    """

    def make_fixture(self) -> Any:
        """Return a new fixture, not set up."""
        raise NotImplementedError

    def use(self, fixture: Any) -> None:
        """Make the fixture change something."""
        raise NotImplementedError

    def state(self) -> Any:
        """Return all that the fixture must restore, to compare by equality.

        Identity counts: include ``id()`` of what is patched.
        """
        raise NotImplementedError

    @contextlib.contextmanager
    def _restored(self: Any) -> Iterator[None]:
        before = self.state()
        yield
        self.assertEqual(before, self.state())

    def test_contract_restores(self) -> None:
        with self._restored(), self.make_fixture() as fixture:
            self.use(fixture)

    def test_contract_restores_unused(self) -> None:
        with self._restored(), self.make_fixture():
            pass

    def test_contract_restores_on_error(self) -> None:
        with self._restored(), contextlib.suppress(ZeroDivisionError):
            with self.make_fixture() as fixture:
                self.use(fixture)
                raise ZeroDivisionError

    def test_contract_can_be_reused(self) -> None:
        with self._restored():
            fixture = self.make_fixture()
            for _ in range(2):
                with self._restored(), fixture:
                    self.use(fixture)

    def test_contract_nests(self) -> None:
        with self._restored(), self.make_fixture() as outer:
            self.use(outer)
            with self._restored(), self.make_fixture() as inner:
                self.use(inner)
