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

"""Let tests use dummy images and flavors only."""

from collections.abc import Mapping
from typing import Any
import unittest

from testtools import matchers as testtools_matchers

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures import exceptions
from safe_fixtures.guards.dummy_data import fields
from safe_fixtures.guards.dummy_data import matchers

__all__ = ['DummyDataGuard']

_CODES = {'image': 'SF301', 'flavor': 'SF302'}


class DummyDataGuard(guard.Guard):
    """Lets a test use dummy images and flavors only.

    While it is active, the images and flavors that are created, and those
    that a request refers to, must be dummy (SF301, SF302; see
    :class:`IsDummyImage` and :class:`IsDummyFlavor`). Requests are checked
    before they are served. A reference that resolves to nothing is left to
    Nova. At cleanup all of them are checked once more. It changes nothing
    that would have to be restored.

    Example::

        self.useFixture(DummyDataGuard())

    :param source: a :class:`~safe_fixtures.guards.dummy_data.DummySource`;
        default: the Nova in this process.
    :param test: the test case; default: the one that uses the fixture.
    :param trail: where acts are recorded; default: the active trail.
    :raises: ConfigurationError at set-up where there is no source.
    """

    def __init__(
        self,
        *,
        source: matchers.DummySource | None = None,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)
        self._given_source = source

    def _prepare(self) -> None:
        source = self._given_source or matchers.SOURCE.require(
            'DummyDataGuard source'
        )
        self._source = source
        self._images = matchers.IsDummyImage(source)
        self._flavors = matchers.IsDummyFlavor(source)
        self._check = {
            'image': self._check_image,
            'flavor': self._check_flavor,
        }
        self._more_fields = getattr(source, 'request_fields', tuple)

    def _setUp(self) -> None:
        super()._setUp()
        # What was reported is not reported again at cleanup.
        self._reported: set[tuple[str, str]] = set()
        self.useFixture(gate.ApiGate(self))
        self.addCleanup(
            self._source.watch_creation(self._on_image, self._on_flavor)
        )
        self.addCleanup(self._check_all, keep=False)

    def assert_only_dummy_data(self) -> None:
        """Check every image and flavor that the test has now.

        :raises: SafetyViolation (SF301, SF302) for the first that is not
            dummy, if the rule is enforced.
        """
        self._reported.clear()
        self._check_all()

    def before(self, call: gate.ApiCall) -> None:
        """Check what a request refers to; see ``gate.Observer``."""
        if call.method not in ('POST', 'PUT', 'PATCH'):
            return
        for field in dict.fromkeys((*fields.KNOWN, *self._more_fields())):
            check = self._check[field.kind]
            for reference in field.values(call.body):
                check(call, reference)
        path = call.path
        if path == '/flavors':
            flavor = _part(call.body, 'flavor')
            if flavor:
                self._on_flavor(flavor, call)
        elif path.startswith('/servers/') and path.endswith('/action'):
            self._check_action(call, path.split('/')[2], _part(call.body))

    def after(self, call: gate.ApiCall) -> None:
        """See ``gate.Observer``; all is checked before."""

    def _check_action(
        self, call: gate.ApiCall, server_id: str, body: dict[str, Any]
    ) -> None:
        for action, arguments in body.items():
            if action == 'unshelve':
                self._check_image(call, self._source.shelved_image(server_id))
            elif action in ('createImage', 'createBackup'):
                arguments = _part(arguments)
                image = {
                    'name': arguments.get('name'),
                    'properties': arguments.get('metadata') or {},
                }
                self._on_image(image, 0, call)

    def _check_image(self, call: gate.ApiCall, reference: Any) -> None:
        image_id = matchers.referred(reference)
        image = image_id and self._source.image(image_id)
        if image:
            size = self._source.image_bytes(str(image_id))
            self._on_image({**image, 'id': image_id}, size, call)

    def _check_flavor(self, call: gate.ApiCall, reference: Any) -> None:
        flavor_id = matchers.referred(reference)
        if not flavor_id:
            return
        mismatch = None
        if (
            self._settings.dummy_flavor_name is not None
            or not self._source.flavor_is_known(flavor_id)
        ):
            # Reading it from the database takes milliseconds.
            flavor = self._source.flavor(flavor_id)
            if not flavor:
                return
            mismatch = self._flavors.match(flavor)
        self._report('flavor', flavor_id, mismatch, call)

    def _on_image(
        self,
        image: Mapping[str, Any],
        size: int,
        when: gate.ApiCall | str = 'image creation',
        keep: bool = True,
    ) -> None:
        mismatch = self._images.match_fields(image, size)
        key = image.get('id', image.get('name'))
        self._report('image', key, mismatch, when, keep=keep)

    def _on_flavor(
        self,
        flavor: Mapping[str, Any],
        when: gate.ApiCall | str = 'flavor creation',
    ) -> None:
        mismatch = self._flavors.match_name(flavor)
        key = flavor.get('flavorid', flavor.get('name'))
        self._report('flavor', key, mismatch, when)

    def _check_all(self, keep: bool = True) -> None:
        for image in self._source.images():
            size = self._source.image_bytes(image['id'])
            self._on_image(image, size, 'all images', keep)
        for flavor in self._source.flavors():
            mismatch = self._flavors.match(flavor)
            key = flavor['flavorid']
            self._report('flavor', key, mismatch, 'all flavors', keep=keep)

    def _report(
        self,
        kind: str,
        key: Any,
        mismatch: testtools_matchers.Mismatch | None,
        when: gate.ApiCall | str,
        keep: bool = True,
    ) -> None:
        """Report what the check of an image or flavor found.

        Every check of a request is recorded. Of the other checks, only what
        is wrong is recorded, once.

        :param when: the request, or the occasion of another check.
        """
        name = str(key)
        is_request = not isinstance(when, str)
        if mismatch is None:
            if is_request:
                self.trail.record(
                    events.IMAGE if kind == 'image' else events.FLAVOR,
                    name,
                    target_type='data',
                    by=str(when),
                )
            return
        if (kind, name) in self._reported and not is_request:
            return
        self._reported.add((kind, name))
        self._violate(
            exceptions.SafetyViolation(
                _CODES[kind], f'{mismatch.describe()} ({when})'
            ),
            name,
            keep=keep,
        )


def _part(body: Any, *keys: str) -> dict[str, Any]:
    """Return what a request's body holds at some keys, if it is a dict."""
    for key in keys:
        body = body.get(key) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}
