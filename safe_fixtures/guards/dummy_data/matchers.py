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
import re
from typing import Any, Protocol
from urllib import parse

from testtools import matchers

from safe_fixtures.boundary import endpoints
from safe_fixtures.boundary import paths
from safe_fixtures.boundary import references
from safe_fixtures.boundary import temporary
from safe_fixtures import conf
from safe_fixtures.core import plugins
from safe_fixtures.runtime import values

__all__ = ['SOURCE', 'DummySource', 'IsDummyFlavor', 'IsDummyImage']

# The fields that say where the data of an image is, or comes from.
_LOCATION_FIELDS = frozenset(
    ['location', 'locations', 'direct_url', 'copy_from', 'import_from']
)


class DummySource(Protocol):
    """Where the images and flavors of a test come from.

    It may also have a method ``request_fields()``, which returns fields of
    requests that refer to them, besides those of Nova 31 to 34.
    """

    def image(self, image_id: str) -> Mapping[str, Any] | None:
        """Return the image that the fake Glance of the test holds, or None."""

    def images(self) -> Iterable[Mapping[str, Any]]:
        """Return all images that it holds; each has an ``id``."""

    def image_bytes(self, image_id: str) -> int:
        """Return how many bytes of data are stored for an image."""

    def flavor(self, flavor_id: str) -> Mapping[str, Any] | None:
        """Return the flavor with that flavorid, or None."""

    def flavors(self) -> Iterable[Mapping[str, Any]]:
        """Return all flavors; each has ``flavorid`` and ``name``."""

    def flavor_is_known(self, flavor_id: str) -> bool:
        """Whether it is a default flavor, or its creation was seen."""

    def shelved_image(self, server_id: str) -> str | None:
        """Return the image that a shelved server is unshelved from."""

    def watch_creation(
        self,
        on_image: Callable[[Mapping[str, Any], int], None],
        on_flavor: Callable[[Mapping[str, Any]], None],
    ) -> Callable[[], None]:
        """Report each image (with its bytes) and flavor that is created.

        :returns: a callable that ends it.
        """


#: The images and flavors of the Nova in this process.
SOURCE = plugins.Source[DummySource]('dummy_source', 'a DummySource')


class _IsDummy(matchers.Matcher):  # type: ignore[type-arg]
    _kind = ''
    # The field that identifies an image or flavor.
    _key = ''

    def __init__(self, source: DummySource | None = None) -> None:
        self._source = source or SOURCE.find()
        self._settings = conf.load()

    def match_name(
        self, item: Mapping[str, Any], reasons: Iterable[str] = ()
    ) -> matchers.Mismatch | None:
        """Match an image or flavor by its name.

        :param reasons: why else it is not dummy (str).
        """
        name = values.plain(item.get('name'))
        key = values.plain(item.get(self._key))
        reasons = list(reasons)
        pattern = getattr(self._settings, f'dummy_{self._kind}_name')
        if pattern is not None and not re.fullmatch(pattern, str(name or '')):
            reasons.append(f'its name {name!r} does not match {pattern!r}')
        if not reasons:
            return None
        shown = [self._kind, key, None if name is None else repr(name)]
        what = ' '.join(str(part) for part in shown if part is not None)
        return matchers.Mismatch(f'{what} is not dummy: {"; ".join(reasons)}')

    def __str__(self) -> str:
        return f'{type(self).__name__}()'


class IsDummyImage(_IsDummy):
    """Matches an image that cannot be real.

    An image given by its id must be held by the fake Glance of the test.
    Its stored data must be small, its fields and properties must name no
    location, URL or import source outside the test, and its name must match
    ``[safe_fixtures] dummy_image_name`` if that is set.

    Example::

        self.assertThat(self.image_id, IsDummyImage())

    :param source: a :class:`~safe_fixtures.guards.dummy_data.DummySource`;
        default: the Nova in this process.
    :raises: ConfigurationError if a setting is invalid.
    """

    _kind, _key = 'image', 'id'

    def match(self, image: Any) -> matchers.Mismatch | None:
        """Match an image, or the id of one.

        :param image: an id or a link that ends in one (str), or an image
            (mapping).
        """
        is_given = isinstance(image, Mapping)
        image_id = values.plain(image.get('id')) if is_given else None
        if not is_given:
            image_id = referred(image)
        source = self._source
        if is_given and (image_id is None or source is None):
            # No Glance holds it (yet).
            return self.match_fields(image, 0)
        held = source.image(str(image_id)) if source else None
        if not is_given:
            image = held or {'id': image_id}
        if source and held:
            return self.match_fields(image, source.image_bytes(str(image_id)))
        reason = 'the fake Glance of the test does not hold it'
        return self.match_fields(image, 0, [reason])

    def match_fields(
        self, image: Mapping[str, Any], size: int, reasons: Iterable[str] = ()
    ) -> matchers.Mismatch | None:
        """Match an image by its fields and the size of its stored data.

        :param size: bytes.
        :param reasons: why else it is not dummy (str).
        """
        settings = self._settings
        reasons = [*reasons, *_image_faults(image, settings.allowed_endpoints)]
        if size > settings.max_image_bytes:
            reasons.append(
                f'{size} bytes of data are stored, more than '
                f'{settings.max_image_bytes}'
            )
        return self.match_name(image, reasons)


class IsDummyFlavor(_IsDummy):
    """Matches a flavor that cannot be real.

    It must have come with the default flavors, or its creation must have
    been seen during the test, and its name must match ``[safe_fixtures]
    dummy_flavor_name`` if that is set.

    Example::

        self.assertThat(flavor, IsDummyFlavor())

    :param source: a :class:`~safe_fixtures.guards.dummy_data.DummySource`;
        default: the Nova in this process.
    :raises: ConfigurationError if a setting is invalid.
    """

    _kind, _key = 'flavor', 'flavorid'

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
                return matchers.Mismatch(
                    f'flavor {flavor!r} is not dummy: the test has no such '
                    'flavor'
                )
        flavor_id = str(
            values.plain(held.get('flavorid')) or values.plain(held.get('id'))
        )
        is_known = self._source and self._source.flavor_is_known(flavor_id)
        reason = (
            'it is no default flavor, and its creation was not seen during '
            'the test'
        )
        return self.match_name(
            {**held, 'flavorid': flavor_id}, [] if is_known else [reason]
        )


def referred(reference: Any) -> str | None:
    """Return the id in a reference: an id, a number, or a link."""
    if isinstance(reference, bool) or not isinstance(reference, (str, int)):
        return None
    # As Nova reads it.
    path = parse.urlsplit(str(values.plain(reference))).path
    return path.split('/')[-1].strip() or None


def _image_faults(
    image: Mapping[str, Any], allowed: Iterable[str]
) -> Iterator[str]:
    for field, value in _flattened(image):
        value = values.plain(value)
        if isinstance(value, (bytes, bytearray)):
            value = value.decode('utf-8', 'replace')
        if not isinstance(value, str) or not value:
            continue
        urls = references.urls_in(value)
        for url in urls:
            if not _stays_inside(url, allowed):
                shown = references.shown(references.Reference('endpoint', url))
                yield f'{field} leads outside the test ({shown})'
        if (
            not urls
            and _LOCATION_FIELDS.intersection(field.split('.'))
            and not _is_temporary(value)
        ):
            yield f'{field} is a location outside the test'


def _flattened(value: Any, field: str = '') -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            key = values.plain(name)
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
    resolved = paths.absolute(path)
    return resolved is not None and temporary.is_own(paths.resolve(resolved))
