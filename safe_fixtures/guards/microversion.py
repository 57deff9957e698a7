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

"""Serve every request of a test to a service at a vetted microversion."""

import collections
from collections.abc import Iterator
import re
from typing import Any, Protocol
import unittest

import microversion_parse

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.runtime import values

__all__ = ['ComputeVersions', 'MicroversionPin']

#: The services that have microversions. Each has an example of one, and the
#: header that it read before all services had the same, or None.
SERVICES = {
    'baremetal': ('1.95', 'x-openstack-ironic-api-version'),
    'baremetal-introspection': (
        '1.18',
        'x-openstack-ironic-inspector-api-version',
    ),
    'compute': ('2.53', 'x-openstack-nova-api-version'),
    'placement': ('1.39', None),
    'shared-file-system': ('2.85', 'x-openstack-manila-api-version'),
    'volume': ('3.71', None),
}
_parse = microversion_parse.parse_version_string
_CONCRETE = re.compile(r'[0-9]+\.[0-9]+')


class ComputeVersions(Protocol):
    """The microversions of the compute API under test."""

    def vetted_microversion(self) -> str:
        """Return the vetted pin of the installed release.

        :raises: ConfigurationError if no pin is vetted for the release.
        """

    def supported_microversions(self) -> tuple[str, str]:
        """Return the minimum and the maximum that the API supports now."""


_VERSIONS = plugins.Source[ComputeVersions](
    'microversions', conf.microversion_form()
)


class MicroversionPin(guard.Guard):
    """Serves microversion ``latest`` at a vetted one, for every client.

    While the pin is active, its service serves a request for ``latest`` at
    the pin, whichever client sends it and whichever header it uses. With
    ``[safe_fixtures] latest_policy = refuse``, such a request is SF101
    instead. Other versions stay as they are, but the API must support them
    (SF102). A response must come back at the version that was asked for
    (SF103). An API that supports more than the pin is recorded as drift
    (SF104). Other services are not touched; each may have a pin of its own.
    No client is changed, so cleanup only closes the gate.

    Example::

        self.useFixture(MicroversionPin('2.53'))
        self.admin_api.microversion = 'latest'   # served at 2.53
        self.useFixture(MicroversionPin('3.71', service='volume'))

    :param pin: a microversion of the service (str), such as ``'2.53'``;
        default for compute: ``[safe_fixtures] pinned_microversion``, else
        the vetted one of the installed Nova release.
    :param service: the service type in the version header (str):
        ``compute`` (default), ``volume``, ``placement``,
        ``shared-file-system``, ``baremetal`` or ``baremetal-introspection``.
    :param versions: the versions of the API; default for compute: those of
        the Nova in this process, if any.
    :param test: the test case; default: the one that uses the fixture.
    :param trail: where acts are recorded; default: the active trail.
    :raises: ConfigurationError at set-up for an unknown service, a
        malformed pin, a pin that the API does not support, or no pin where
        none is known.
    """

    def __init__(
        self,
        pin: str | None = None,
        *,
        service: str = 'compute',
        versions: ComputeVersions | None = None,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)
        self._given_pin = values.plain(pin)
        self._given_versions = versions
        #: The service type whose requests are pinned (str).
        self.service: str = values.plain(service)

    def _prepare(self) -> None:
        if self.service not in SERVICES:
            raise exceptions.ConfigurationError(
                'MicroversionPin service',
                self.service,
                f'give one of {", ".join(SERVICES)}',
            )
        example, legacy = SERVICES[self.service]
        self._headers = _Headers(self.service, legacy)
        self._versions = self._given_versions
        pin: Any = self._given_pin
        if self.service == 'compute':
            self._versions = self._versions or _VERSIONS.find()
            if pin is None:
                pin = self._settings.pinned_microversion
            if pin is None:
                self._versions = self._versions or _VERSIONS.require(
                    'MicroversionPin pin'
                )
        if pin is None and self._versions is not None:
            pin = self._versions.vetted_microversion()
        problem: str | None = f'give {conf.microversion_form(example)}'
        if conf.is_microversion(pin, example[0]):
            problem = self._outside(pin)
        if problem is not None:
            raise exceptions.ConfigurationError(
                'MicroversionPin pin', pin, problem
            )
        #: The microversion that ``latest`` is served at (str).
        self.pin: str = pin

    def _setUp(self) -> None:
        super()._setUp()
        self._drift_checked = False
        self._requests: collections.Counter[str] = collections.Counter()
        self.addCleanup(self._record_requests)
        self.useFixture(gate.ApiGate(self))

    def before(self, call: gate.ApiCall) -> None:
        """Pin the version headers of a request; see ``gate.Observer``."""
        sent = self._headers.requested(call.request.headers)
        if sent == 'latest':
            self._pin(call)
        elif sent and _CONCRETE.fullmatch(sent):
            problem = self._outside(sent)
            if problem is not None:
                self._refuse(
                    'SF102',
                    f'{call} asks for {self.service} microversion {sent}; '
                    f'{problem}',
                    call,
                )

    def _pin(self, call: gate.ApiCall) -> None:
        if self._settings.latest_policy == 'refuse':
            self._refuse(
                'SF101',
                f'{call} asks for {self.service} microversion latest',
                call,
            )
        self._check_drift()
        self._headers.replace_latest(call.request.headers, self.pin)
        self.trail.record(
            events.PIN, str(call), sent='latest', served=self._shown(self.pin)
        )

    def after(self, call: gate.ApiCall) -> None:
        """Check the version that a response was served at."""
        sent = self._headers.requested(call.request.headers)
        if sent is not None:
            self._requests[self._shown(sent)] += 1
        elif self.service == 'compute' and call.is_compute:
            self._requests['none'] += 1
        # A 406 repeats the version that was asked for.
        if sent is None or call.response.status_code == 406:
            return
        served = self._headers.requested(call.response.headers)
        if served is not None and served != sent:
            self._refuse(
                'SF103',
                f'{call} asked for {self.service} microversion {sent} and was '
                f'served at {served}',
                call,
            )

    def _shown(self, version: str) -> str:
        """Return a version as the record has it."""
        if self.service == 'compute':
            return version
        return f'{self.service} {version}'

    def _record_requests(self) -> None:
        if self._requests:
            self.trail.record(
                events.REQUESTS,
                f'{self.service} API',
                event_type='monitor',
                requests=dict(self._requests),
            )

    def _check_drift(self) -> None:
        if self._versions is None or self._drift_checked:
            return
        self._drift_checked = True
        maximum = self._versions.supported_microversions()[1]
        if _parse(self.pin) < _parse(maximum):
            self._refuse(
                'SF104',
                f'the pin is {self.pin} and the API supports up to {maximum}',
                f'{self.service} API',
            )

    def _outside(self, version: str) -> str | None:
        """Return what the API supports if *version* is outside of it."""
        if self._versions is None:
            return None
        minimum, maximum = self._versions.supported_microversions()
        if _parse(version).matches(_parse(minimum), _parse(maximum)):
            return None
        return f'the API supports {minimum} to {maximum}'

    def _refuse(self, code: str, message: str, target: object) -> None:
        self._violate(exceptions.SafetyViolation(code, message), str(target))


class _Headers:
    """The version headers of a service.

    :param service: the service type.
    :param legacy: the name of the header of this service only, or None.
    """

    def __init__(self, service: str, legacy: str | None) -> None:
        self._service = service
        self._legacy = [] if legacy is None else [legacy]
        # The words before the version.
        self._before = {
            microversion_parse.STANDARD_HEADER: [service],
            **{name: [] for name in self._legacy},
        }

    def requested(self, headers: Any) -> str | None:
        """Return the version that the service reads from them, if any."""
        found = [(name, value) for _, name, value in self._found(headers)]
        # The service takes the last entry. Of two headers with one WSGI
        # name, that must be in the first.
        return microversion_parse.get_version(
            reversed(found), self._service, self._legacy
        )

    def replace_latest(self, headers: Any, pin: str) -> None:
        """Replace ``latest`` with the pin, for this service only."""
        for key, name, value in list(self._found(headers)):
            entries = []
            for entry in value.split(','):
                *before, version = entry.split() or ['']
                if version == 'latest' and self._before[name] == [
                    word.lower() for word in before
                ]:
                    entry = ' '.join([*before, pin])
                entries.append(entry.strip())
            headers[key] = ', '.join(entries)

    def _found(self, headers: Any) -> Iterator[tuple[Any, str, str]]:
        """Yield each version header: its key, its WSGI name and its value."""
        for key, value in headers.items():
            # WSGI does not tell underscores from dashes.
            name = _text(key).replace('_', '-').lower()
            if name in self._before:
                yield key, name, _text(value)


def _text(value: Any) -> str:
    return value.decode('latin-1') if isinstance(value, bytes) else str(value)
