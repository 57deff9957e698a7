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

"""Serve every compute request of a test at a vetted microversion."""

import collections
import functools
import re
from typing import Any, Protocol
import unittest

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures.core import plugins
from safe_fixtures import exceptions

__all__ = ['ComputeVersions', 'MicroversionPin']

LATEST = 'latest'
STANDARD_HEADER = 'openstack-api-version'
LEGACY_HEADER = 'x-openstack-nova-api-version'
_CONCRETE = re.compile(r'[0-9]+\.[0-9]+')


class ComputeVersions(Protocol):
    """What is to be known of the compute API under test."""

    def vetted_microversion(self) -> str:
        """Return the vetted pin of the installed release.

        :raises: ConfigurationError for a release that has none.
        """

    def supported_microversions(self) -> tuple[str, str]:
        """Return the minimum and the maximum that the API supports now."""


class MicroversionPin(guard.Guard):
    """Serves microversion ``latest`` at a vetted one, for every client.

    While it is active, a request that asks the compute service for
    ``latest``, by whatever way and in whichever header, is served at the
    pin; with ``[safe_fixtures] latest_policy = refuse`` it is SF101. Other
    versions are left as they are, and must be ones that the API supports
    (SF102). A response must come back at the version that was asked for
    (SF103), and an API that supports more than the pin is recorded as drift
    (SF104). Other services, such as Placement, are not touched. Nothing is
    set on any client, so there is nothing to restore but the gate.

    Example::

        self.useFixture(MicroversionPin('2.53'))
        self.admin_api.microversion = 'latest'   # served at 2.53

    :param pin: a compute microversion, such as ``'2.53'``; default:
        ``[safe_fixtures] pinned_microversion``, else the vetted one of the
        installed Nova release.
    :param versions: the API's versions; default: those of the Nova in this
        process, if any.
    :param test: the test case; default: the one that uses the fixture.
    :param trail: where acts are recorded; default: the active trail.
    :raises: ConfigurationError at set-up for a malformed pin, a pin outside
        what the API supports, or no pin where none is known.
    """

    def __init__(
        self,
        pin: str | None = None,
        *,
        versions: ComputeVersions | None = None,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)
        self._given_pin = pin
        self._given_versions = versions

    def _prepare(self) -> None:
        self._versions = self._given_versions or plugins.find()
        pin = self._given_pin
        if pin is None:
            pin = self._settings.pinned_microversion
        if pin is None:
            if self._versions is None:
                raise exceptions.ConfigurationError(
                    'MicroversionPin pin',
                    None,
                    'no Nova is imported whose vetted pin could be used; '
                    f'give {conf.MICROVERSION_FORM}',
                )
            pin = self._versions.vetted_microversion()
        if not conf.is_microversion(pin):
            raise exceptions.ConfigurationError(
                'MicroversionPin pin', pin, f'give {conf.MICROVERSION_FORM}'
            )
        supported = self._supported()
        if supported and not _within(pin, supported):
            raise exceptions.ConfigurationError(
                'MicroversionPin pin',
                pin,
                'the API supports {} to {}'.format(*supported),
            )
        #: The compute microversion that ``latest`` is served at (str).
        self.pin: str = pin

    def _setUp(self) -> None:
        super()._setUp()
        self._drift_checked = False
        self._requests: collections.Counter[str] = collections.Counter()
        self.addCleanup(self._record_requests)
        self.useFixture(gate.ApiGate(self))

    def before(self, call: gate.ApiCall) -> None:
        """Pin the version headers of a request; see ``gate.Observer``."""
        headers = call.request.headers
        sent = _requested(headers)
        if sent is None:
            return
        supported = self._supported()
        if sent != LATEST:
            if (
                supported
                and _CONCRETE.fullmatch(sent)
                and not _within(sent, supported)
            ):
                self._violate(
                    exceptions.SafetyViolation(
                        'SF102',
                        f'{call} asks for compute microversion {sent}; the '
                        'API supports {} to {}'.format(*supported),
                    ),
                    str(call),
                )
            return
        if self._settings.latest_policy == 'refuse':
            self._violate(
                exceptions.SafetyViolation(
                    'SF101', f'{call} asks for compute microversion latest'
                ),
                str(call),
            )
        if supported and not self._drift_checked:
            self._drift_checked = True
            self._check_drift(supported[1])
        _replace_latest(headers, self.pin)
        self.trail.record(
            'configure/microversion', str(call), sent=sent, served=self.pin
        )

    def after(self, call: gate.ApiCall) -> None:
        """Check the version that a response was served at."""
        sent = _requested(call.request.headers)
        if sent is not None:
            self._requests[sent] += 1
        elif call.is_compute:
            self._requests['none'] += 1
        # A 406 says what was asked for, not what it was served at.
        if sent is None or call.response.status_code == 406:
            return
        served = _requested(call.response.headers)
        if served is not None and served != sent:
            self._violate(
                exceptions.SafetyViolation(
                    'SF103',
                    f'{call} asked for compute microversion {sent} and was '
                    f'served at {served}',
                ),
                str(call),
            )

    def _record_requests(self) -> None:
        if self._requests:
            self.trail.record(
                'monitor/microversion',
                'compute API',
                event_type='monitor',
                requests=dict(self._requests),
            )

    def _supported(self) -> tuple[str, str] | None:
        if self._versions is None:
            return None
        return self._versions.supported_microversions()

    def _check_drift(self, maximum: str) -> None:
        if _key(self.pin) < _key(maximum):
            self._violate(
                exceptions.SafetyViolation(
                    'SF104',
                    f'the pin is {self.pin} and the API supports up to '
                    f'{maximum}',
                ),
                'compute API',
            )


def _values(headers: Any, name: str) -> dict[str, str]:
    """Return the headers that WSGI takes for *name*, by their own names."""
    return {
        given: _text(value)
        for given, value in headers.items()
        if _normal(given) == name
    }


@functools.lru_cache(maxsize=1024)
def _normal(name: Any) -> str:
    # Underscores and dashes are the same to it.
    return _text(name).replace('_', '-').lower()


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split('.'))


def _within(version: str, supported: tuple[str, str]) -> bool:
    minimum, maximum = supported
    return _key(minimum) <= _key(version) <= _key(maximum)


def _text(value: Any) -> str:
    return value.decode('latin-1') if isinstance(value, bytes) else str(value)


def _named(entry: str) -> tuple[str, str]:
    """Return the service and the version that an entry names."""
    # Any white space parts them, as where Nova reads them.
    service, version = [*entry.split(None, 1), '', ''][:2]
    return service, version.strip()


def _requested(headers: Any) -> str | None:
    """Return the version that Nova reads from these headers, if any.

    The last entry of the standard header that names compute goes before the
    last one of the legacy header.
    """
    for standard in _values(headers, STANDARD_HEADER).values():
        for entry in reversed(standard.split(',')):
            service, version = _named(entry)
            if service.lower() == 'compute' and version:
                return version
    for legacy in _values(headers, LEGACY_HEADER).values():
        return legacy.split(',')[-1].strip()
    return None


def _replace_latest(headers: Any, pin: str) -> None:
    """Put the pin in place of latest, in both headers, for compute only."""
    for name, standard in _values(headers, STANDARD_HEADER).items():
        entries = []
        for entry in standard.split(','):
            service, version = _named(entry)
            if service.lower() == 'compute' and version == LATEST:
                entry = f'{service} {pin}'
            entries.append(entry.strip())
        headers[name] = ', '.join(entries)
    for name, legacy in _values(headers, LEGACY_HEADER).items():
        headers[name] = ', '.join(
            pin if entry.strip() == LATEST else entry.strip()
            for entry in legacy.split(',')
        )
