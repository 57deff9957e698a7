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

"""Match dummy images and flavors."""

from collections.abc import Callable, Iterable, Iterator, Mapping
import os
import re
import tempfile
from typing import Any, Protocol
from urllib import parse

from testtools import matchers

from safe_fixtures.boundary import endpoints
from safe_fixtures.boundary import references
from safe_fixtures import conf
from safe_fixtures.core import plugins

__all__ = [
    'DummySource',
    'IsDummyFlavor',
    'IsDummyImage',
    'SOURCE',
    'name_faults',
    'referred',
    'verdict_on',
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


#: The images and flavors of the Nova in this process.
SOURCE = plugins.Source[DummySource]('dummy_source', 'a DummySource')


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
        self._source = source or SOURCE.find()
        conf.load()

    def match(self, image: Any) -> matchers.Mismatch | None:
        """Match an image, or the id of one.

        :param image: an id or a link that ends in one (str), or an image
            (mapping).
        """
        given = image if isinstance(image, Mapping) else None
        image_id = referred(image) if given is None else given.get('id')
        if given is not None and (image_id is None or self._source is None):
            # Nothing could hold it (yet): what it says is all there is.
            return self.match_with_size(given, 0)
        held, size = None, 0
        if self._source is not None:
            held = self._source.image(str(image_id))
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
        reasons += name_faults(image, settings.dummy_image_name)
        return verdict_on('image', image.get('id'), image.get('name'), reasons)

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
        self._source = source or SOURCE.find()
        conf.load()

    def match(self, flavor: Any) -> matchers.Mismatch | None:
        """Match a flavor, or the flavorid of one.

        :param flavor: a flavorid or a link that ends in one (str), or a
            flavor (mapping with ``flavorid``, or with ``id`` as the API
            shows it).
        """
        held = flavor
        if not isinstance(flavor, Mapping):
            held = self._source and self._source.flavor(referred(flavor) or '')
            if held is None:
                return _Mismatch(
                    f'flavor {flavor!r}', ['the test has no such flavor']
                )
        flavor_id = str(held.get('flavorid') or held.get('id'))
        reasons = name_faults(held, conf.load().dummy_flavor_name)
        if self._source is None or not self._source.flavor_is_known(flavor_id):
            reasons.append(
                'it is no default flavor, and its creation was not seen '
                'during the test'
            )
        return verdict_on('flavor', flavor_id, held.get('name'), reasons)

    def __str__(self) -> str:
        return 'IsDummyFlavor()'


def referred(reference: Any) -> str | None:
    """Return the id in a reference: an id, a number, or a link."""
    if isinstance(reference, bool) or not isinstance(reference, (str, int)):
        return None
    # As Nova reads it.
    path = parse.urlsplit(str(reference)).path
    return path.split('/')[-1].strip() or None


def verdict_on(
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


def name_faults(item: Mapping[str, Any], pattern: str | None) -> list[str]:
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
