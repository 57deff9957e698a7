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

from collections.abc import Callable, Iterable, Iterator, Mapping
import os
import re
import tempfile
from typing import Any, Protocol
import unittest
from urllib import parse

from testtools import matchers

from safe_fixtures import audit
from safe_fixtures.boundary import endpoints
from safe_fixtures.boundary import references
from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures.core import plugins
from safe_fixtures import exceptions

__all__ = [
    'DummyDataGuard',
    'DummySource',
    'IsDummyFlavor',
    'IsDummyImage',
]

# Where Glance keeps, or is told, where the data of an image is.
_LOCATION_FIELDS = frozenset(
    ['location', 'locations', 'direct_url', 'copy_from', 'import_from']
)


class DummySource(Protocol):
    """Where the images and flavors of a test come from."""

    def image(self, image_id: str) -> Mapping[str, Any] | None:
        """Return the image that the fake Glance of the test holds."""

    def images(self) -> Iterable[Mapping[str, Any]]:
        """Return all that it holds."""

    def image_bytes(self, image_id: str) -> int:
        """Return how many bytes of data are stored for an image."""

    def flavor(self, flavor_id: str) -> Mapping[str, Any] | None:
        """Return the flavor of that flavorid."""

    def flavors(self) -> Iterable[Mapping[str, Any]]:
        """Return all flavors; each has ``flavorid`` and ``name``."""

    def flavor_is_known(self, flavor_id: str) -> bool:
        """Whether a default flavor, or one whose creation was seen."""

    def shelved_image(self, server_id: str) -> str | None:
        """Return the image that a shelved server would be unshelved from."""

    def watch_creation(
        self,
        on_image: Callable[[Mapping[str, Any], int], None],
        on_flavor: Callable[[Mapping[str, Any]], None],
    ) -> Callable[[], None]:
        """Tell of each image (and its bytes) and flavor; returns an end."""


class _Mismatch(matchers.Mismatch):
    def __init__(self, what: str, reasons: list[str]) -> None:
        super().__init__(f'{what} is not dummy: {"; ".join(reasons)}')


class IsDummyImage(matchers.Matcher):  # type: ignore[type-arg]
    """Matches an image that cannot be real.

    An image given by its id must be held by the fake Glance of the test.
    Its stored data must be small, its fields and properties must name no
    location, URL or import source outside the test, and its name must match
    ``[safe_fixtures] dummy_image_name`` if that is set.

    Example::

        self.assertThat(self.image_id, IsDummyImage())

    :param source: a :class:`~safe_fixtures.guards.dummy_data.DummySource`;
        default: the Nova in this process.
    :raises: ConfigurationError if the configuration makes no sense.
    """

    def __init__(self, source: DummySource | None = None) -> None:
        self._source = source or _default_source()
        conf.load()

    def match(self, image: Any) -> matchers.Mismatch | None:
        """Match an image, or the id of one.

        :param image: an id or a link that ends in one (str), or an image
            (mapping).
        """
        given = image if isinstance(image, Mapping) else None
        image_id = _referred(image) if given is None else given.get('id')
        if given is not None and (image_id is None or self._source is None):
            # Nothing could hold it (yet): what it says is all there is.
            return self.match_with_size(given, 0)
        held = self._source and self._source.image(str(image_id))
        size = self._source.image_bytes(str(image_id)) if held else 0
        unheld = (
            [] if held else ['the fake Glance of the test does not hold it']
        )
        return self.match_with_size(
            given or held or {'id': image_id}, size, unheld
        )

    def match_with_size(
        self,
        image: Mapping[str, Any],
        size: int,
        reasons: Iterable[str] = (),
    ) -> matchers.Mismatch | None:
        """Match an image of which *size* bytes are stored.

        :param reasons: why it is not dummy, besides what it says (str).
        """
        settings = conf.load()
        reasons = [
            *reasons,
            *_image_faults(image, settings.allowed_endpoints),
        ]
        if size > settings.max_image_bytes:
            reasons.append(
                f'{size} bytes of data are stored, more than '
                f'{settings.max_image_bytes}'
            )
        reasons += _name_faults(image, settings.dummy_image_name)
        return _verdict('image', image.get('id'), image.get('name'), reasons)

    def __str__(self) -> str:
        return 'IsDummyImage()'


class IsDummyFlavor(matchers.Matcher):  # type: ignore[type-arg]
    """Matches a flavor that cannot be real.

    It must have come with the default flavors, or its creation must have
    been seen during the test, and its name must match ``[safe_fixtures]
    dummy_flavor_name`` if that is set.

    Example::

        self.assertThat(flavor, IsDummyFlavor())

    :param source: a :class:`~safe_fixtures.guards.dummy_data.DummySource`;
        default: the Nova in this process.
    :raises: ConfigurationError if the configuration makes no sense.
    """

    def __init__(self, source: DummySource | None = None) -> None:
        self._source = source or _default_source()
        conf.load()

    def match(self, flavor: Any) -> matchers.Mismatch | None:
        """Match a flavor, or the flavorid of one.

        :param flavor: a flavorid or a link that ends in one (str), or a
            flavor (mapping with ``flavorid``, or with ``id`` as the API
            shows it).
        """
        held = flavor
        if not isinstance(flavor, Mapping):
            held = self._source and self._source.flavor(
                _referred(flavor) or ''
            )
            if held is None:
                return _Mismatch(
                    f'flavor {flavor!r}', ['the test has no such flavor']
                )
        flavor_id = str(held.get('flavorid') or held.get('id'))
        reasons = _name_faults(held, conf.load().dummy_flavor_name)
        if self._source is None or not self._source.flavor_is_known(flavor_id):
            reasons.append(
                'it is no default flavor, and its creation was not seen '
                'during the test'
            )
        return _verdict('flavor', flavor_id, held.get('name'), reasons)

    def __str__(self) -> str:
        return 'IsDummyFlavor()'


class DummyDataGuard(guard.Guard):
    """Lets a test use dummy images and flavors only.

    While it is active, the images and flavors that are created, and those
    that a request to create, rebuild, resize or unshelve a server refers
    to, must be dummy (SF301, SF302; see :class:`IsDummyImage` and
    :class:`IsDummyFlavor`). Requests are checked before they are served. A
    reference that resolves to nothing is left to Nova. At cleanup all of
    them are checked once more. It changes nothing that would have to be
    restored.

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
        source: DummySource | None = None,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)
        self._given_source = source

    def _prepare(self) -> None:
        source = self._given_source or _default_source()
        if source is None:
            raise exceptions.ConfigurationError(
                'DummyDataGuard source',
                None,
                'no Nova is imported whose images and flavors could be '
                'checked; give a DummySource',
            )
        self._source: DummySource = source
        self._images = IsDummyImage(source)
        self._flavors = IsDummyFlavor(source)

    def _setUp(self) -> None:
        super()._setUp()
        # What was reported once is not reported again at cleanup.
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
        if call.method != 'POST':
            return
        path = call.path
        if path in ('/servers', '/os-volumes_boot'):
            self._check_server(call, _part(call.body, 'server'))
        elif path == '/flavors':
            self._check_new_flavor(call, _part(call.body, 'flavor'))
        elif path.startswith('/servers/') and path.endswith('/action'):
            self._check_action(call, path.split('/')[2], _part(call.body))

    def after(self, call: gate.ApiCall) -> None:
        """See ``gate.Observer``; all is checked before."""

    def _check_server(
        self, call: gate.ApiCall, server: dict[str, Any]
    ) -> None:
        self._check_image(call, server.get('imageRef'))
        self._check_flavor(call, server.get('flavorRef'))
        for field in ('block_device_mapping_v2', 'block_device_mapping'):
            devices = server.get(field)
            for device in devices if isinstance(devices, list) else ():
                if (
                    isinstance(device, dict)
                    and device.get('source_type') == 'image'
                ):
                    self._check_image(call, device.get('uuid'))

    def _check_action(
        self, call: gate.ApiCall, server_id: str, body: dict[str, Any]
    ) -> None:
        for action, arguments in body.items():
            if action == 'unshelve':
                self._check_image(call, self._source.shelved_image(server_id))
            if not isinstance(arguments, dict):
                continue
            if action == 'rebuild':
                self._check_image(call, arguments.get('imageRef'))
            elif action == 'resize':
                self._check_flavor(call, arguments.get('flavorRef'))
            elif action in ('createImage', 'createBackup'):
                self._check_new_image(call, arguments)

    def _check_image(self, call: gate.ApiCall, reference: Any) -> None:
        image_id = _referred(reference)
        image = image_id and self._source.image(image_id)
        if image:
            size = self._source.image_bytes(str(image_id))
            self._judge(
                'SF301',
                str(image_id),
                self._images.match_with_size(image, size),
                str(call),
            )

    def _check_new_image(
        self, call: gate.ApiCall, arguments: dict[str, Any]
    ) -> None:
        image = {
            'name': arguments.get('name'),
            'properties': arguments.get('metadata') or {},
        }
        self._judge(
            'SF301',
            str(arguments.get('name')),
            self._images.match_with_size(image, 0),
            str(call),
        )

    def _check_flavor(self, call: gate.ApiCall, reference: Any) -> None:
        flavor_id = _referred(reference)
        flavor = flavor_id and self._source.flavor(flavor_id)
        if flavor:
            self._judge(
                'SF302',
                str(flavor_id),
                self._flavors.match(flavor),
                str(call),
            )

    def _check_new_flavor(
        self, call: gate.ApiCall, flavor: dict[str, Any]
    ) -> None:
        if not flavor:
            return
        reasons = _name_faults(flavor, self._settings.dummy_flavor_name)
        self._judge(
            'SF302',
            str(flavor.get('name')),
            _verdict('flavor', None, flavor.get('name'), reasons),
            str(call),
        )

    def _on_image(self, image: Mapping[str, Any], size: int) -> None:
        self._judge(
            'SF301',
            str(image.get('id')),
            self._images.match_with_size(image, size),
            'image creation',
            quiet=True,
        )

    def _on_flavor(self, flavor: Mapping[str, Any]) -> None:
        reasons = _name_faults(flavor, self._settings.dummy_flavor_name)
        self._judge(
            'SF302',
            str(flavor.get('flavorid')),
            _verdict(
                'flavor', flavor.get('flavorid'), flavor.get('name'), reasons
            ),
            'flavor creation',
            quiet=True,
        )

    def _check_all(self, keep: bool = True) -> None:
        for image in self._source.images():
            self._judge(
                'SF301',
                str(image['id']),
                self._images.match(image),
                'all images',
                quiet=True,
                keep=keep,
            )
        for flavor in self._source.flavors():
            self._judge(
                'SF302',
                str(flavor['flavorid']),
                self._flavors.match(flavor),
                'all flavors',
                quiet=True,
                keep=keep,
            )

    def _judge(
        self,
        code: str,
        name: str,
        mismatch: matchers.Mismatch | None,
        when: str,
        *,
        quiet: bool = False,
        keep: bool = True,
    ) -> None:
        """Record a check, and report what it found.

        :param quiet: record only what is wrong, report it only once.
        """
        kind = 'image' if code == 'SF301' else 'flavor'
        if mismatch is None:
            if not quiet:
                self.trail.record(
                    f'evaluate/{kind}', name, target_type='data', by=when
                )
            return
        if quiet and (code, name) in self._reported:
            return
        self._reported.add((code, name))
        self._violate(
            exceptions.SafetyViolation(
                code, f'{mismatch.describe()} ({when})'
            ),
            name,
            keep=keep,
        )


def _part(body: Any, *keys: str) -> dict[str, Any]:
    """Return what a request's body holds at some keys, if it is a dict."""
    for key in keys:
        body = body.get(key) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}


def _default_source() -> Any:
    return getattr(plugins.find(), 'dummy_source', None)


def _referred(reference: Any) -> str | None:
    """Return the id in a reference: an id, a number, or a link."""
    if isinstance(reference, bool) or not isinstance(reference, (str, int)):
        return None
    # As Nova reads it.
    path = parse.urlsplit(str(reference)).path
    return path.split('/')[-1].strip() or None


def _verdict(
    kind: str, key: Any, name: Any, reasons: list[str]
) -> matchers.Mismatch | None:
    if not reasons:
        return None
    what = ' '.join(
        str(part)
        for part in (kind, key, repr(name) if name is not None else None)
        if part is not None
    )
    return _Mismatch(what, reasons)


def _name_faults(item: Mapping[str, Any], pattern: str | None) -> list[str]:
    name = item.get('name')
    if pattern is None or re.fullmatch(pattern, str(name or '')):
        return []
    return [f'its name {name!r} does not match {pattern!r}']


def _image_faults(
    image: Mapping[str, Any], allowed: Iterable[str]
) -> Iterator[str]:
    for field, value in _flattened(image):
        if isinstance(value, bytes):
            value = value.decode('utf-8', 'replace')
        if not isinstance(value, str) or not value:
            continue
        urls = references.urls_in(value)
        for url in urls:
            if not _stays_inside(url, allowed):
                yield f'{field} leads outside the test ({_host_of(url)})'
        if (
            not urls
            and _LOCATION_FIELDS.intersection(field.split('.'))
            and not _is_temporary(value)
        ):
            yield f'{field} is a location outside the test'


def _flattened(value: Any, field: str = '') -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flattened(item, f'{field}.{key}' if field else key)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _flattened(item, field)
    else:
        yield field, value


def _stays_inside(url: str, allowed: Iterable[str]) -> bool:
    if endpoints.is_test_endpoint(url, allowed):
        return True
    try:
        parts = parse.urlsplit(url)
    except ValueError:
        return False
    if parts.scheme.lower() == 'file':
        return _is_temporary(parse.unquote(parts.path))
    return references.is_reserved_name(parts.hostname or '')


def _is_temporary(path: str) -> bool:
    inside = os.path.realpath(tempfile.gettempdir())
    return os.path.realpath(path).startswith(inside + os.sep)


def _host_of(url: str) -> str:
    # Without credentials, path and query: enough to find it by.
    try:
        parts = parse.urlsplit(url)
    except ValueError:
        return 'a malformed URL'
    return f'{parts.scheme}://{parts.hostname or ""}'
