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

"""The images and flavors of the Nova tests in this process."""

from collections.abc import Callable, Iterable, Mapping
import contextlib
import functools
import io
from types import CodeType
from typing import Any

import nova.context
from nova.db.api import api as api_db
from nova.db.api import models as api_models
from nova import exception
import nova.image.glance
from nova import objects
from nova.tests.fixtures import glance
from oslo_db import exception as db_exc
from oslo_utils import uuidutils

from safe_fixtures.guards.dummy_data import fields
from safe_fixtures.nova import request_fields
from safe_fixtures.runtime import patching

__all__ = ['NovaDummySource']

OnImage = Callable[[Mapping[str, Any], int], None]
OnFlavor = Callable[[Mapping[str, Any]], None]
_Watch = tuple[OnImage, OnFlavor]


def _ignore(*_: Any) -> None:
    """Do nothing about an image or flavor that is created."""


# The functions that Nova's own fixture makes. A name could be anybody's.
_STUBS = tuple(
    const
    for const in glance.GlanceFixture.setUp.__code__.co_consts
    if isinstance(const, CodeType)
)


class NovaDummySource:
    """Knows what the fake Glance holds and where flavors came from.

    While it records, it sees each flavor that is created, and each fake
    Glance that an image is put into. When its last user ends recording, it
    forgets all that.
    """

    def __init__(self) -> None:
        self._recording = patching.SharedPatch[_Watch](self._install)
        self._glances: list[glance.GlanceFixture] = []
        self._known: set[str] = set()

    def record(
        self, known: Iterable[str] = (), watch: _Watch = (_ignore, _ignore)
    ) -> Callable[[], None]:
        """Record from now on.

        :param known: the flavorids that count as default flavors, if nobody
            records yet.
        :param watch: functions to call for each image and each flavor.
        :returns: a callable that ends it.
        """
        if not self._recording.users:
            self._known = set(known)
        return self._recording.add(watch)

    def watch_creation(
        self, on_image: OnImage, on_flavor: OnFlavor
    ) -> Callable[[], None]:
        """See ``dummy_data.DummySource``.

        If nobody records yet, the flavors that are there now count as
        default flavors.
        """
        known = () if self._recording.users else self.flavors()
        return self.record(
            (flavor['flavorid'] for flavor in known), (on_image, on_flavor)
        )

    def _install(self) -> Callable[[], None]:
        return patching.patch_together(
            lambda: self._forget,
            self._patch_glance_create,
            self._patch_glance_update,
            self._patch_flavors,
        )

    def _forget(self) -> None:
        self._glances = []
        self._known = set()

    def _patch_glance_create(self) -> Callable[[], None]:
        original = glance.GlanceFixture.create

        @functools.wraps(original)
        def create(
            fixture: Any, context: Any, metadata: Any, data: Any = None
        ) -> Any:
            content = data.read() if data else b''
            # The fixture would do the same.
            metadata.setdefault('id', uuidutils.generate_uuid())
            self._put(fixture, metadata, len(content))
            return original(
                fixture, context, metadata, data and io.BytesIO(content)
            )

        return patching.patch_attribute(glance.GlanceFixture, 'create', create)

    def _patch_glance_update(self) -> Callable[[], None]:
        def look(
            fixture: Any,
            context: Any,
            image_id: str,
            metadata: Any,
            *_: Any,
            **__: Any,
        ) -> None:
            held = fixture.images.get(image_id, {})
            self._put(fixture, {**held, **metadata, 'id': image_id}, 0)

        return patching.call_before(glance.GlanceFixture, 'update', look)

    def _put(self, fixture: Any, image: Mapping[str, Any], size: int) -> None:
        """Report an image that is about to be put into a fake Glance."""
        if not any(fixture is known for known in self._glances):
            self._glances.append(fixture)
        for on_image, _ in self._recording.users:
            on_image(image, size)

    def _patch_flavors(self) -> Callable[[], None]:
        original = objects.Flavor._flavor_create

        @functools.wraps(original)
        def flavor_create(context: Any, updates: Any) -> Any:
            for _, on_flavor in self._recording.users:
                on_flavor(updates)
            flavor = original(context, updates)
            self._known.add(flavor['flavorid'])
            return flavor

        return patching.patch_attribute(
            objects.Flavor, '_flavor_create', staticmethod(flavor_create)
        )

    def _held_by(self) -> list[glance.GlanceFixture]:
        """Return the fake Glances that were seen, and the one in use."""
        # Any other factory would make a real client.
        in_use = nova.image.glance.get_default_image_service
        if any(getattr(in_use, '__code__', None) is code for code in _STUBS):
            fixture = in_use()
            if not any(fixture is known for known in self._glances):
                return [*self._glances, fixture]
        return self._glances

    def request_fields(self) -> Iterable[fields.Field]:
        """See ``dummy_data.DummySource``."""
        return request_fields.reference_fields()

    def image(self, image_id: str) -> Mapping[str, Any] | None:
        """See ``dummy_data.DummySource``."""
        for fixture in self._held_by():
            if image_id in fixture.images:
                held: Mapping[str, Any] = fixture.images[image_id]
                return held
        return None

    def images(self) -> Iterable[Mapping[str, Any]]:
        """See ``dummy_data.DummySource``."""
        for fixture in self._held_by():
            # An update can replace all fields, the id too.
            for key, image in list(fixture.images.items()):
                yield dict(image, id=key)

    def image_bytes(self, image_id: str) -> int:
        """See ``dummy_data.DummySource``."""
        # While a fake Glance makes its first images, it has no store yet.
        stores = (getattr(each, '_imagedata', {}) for each in self._held_by())
        return max(
            (len(each.get(image_id) or b'') for each in stores), default=0
        )

    def flavor(self, flavor_id: str) -> Mapping[str, Any] | None:
        """See ``dummy_data.DummySource``."""
        found = self.flavors(api_models.Flavors.flavorid == flavor_id)
        return found[0] if found else None

    def flavors(self, *where: Any) -> list[dict[str, Any]]:
        """See ``dummy_data.DummySource``.

        :param where: the conditions of the query, besides.
        """
        # Only these columns: the object would load the projects and extra
        # specs of each flavor, too.
        columns = (api_models.Flavors.flavorid, api_models.Flavors.name)

        @api_db.context_manager.reader
        def query(context: Any) -> Any:
            return context.session.query(*columns).filter(*where).all()

        # A query would start the database for a test that has none (any
        # more), and break the tests after it.
        if not api_db.context_manager.is_started:
            return []
        try:
            rows = query(nova.context.get_admin_context())
        except db_exc.DBError:
            return []
        return [{'flavorid': row[0], 'name': row[1]} for row in rows]

    def flavor_is_known(self, flavor_id: str) -> bool:
        """See ``dummy_data.DummySource``."""
        # Without a record, nobody knows where a flavor came from.
        return not self._recording.users or flavor_id in self._known

    def shelved_image(self, server_id: str) -> str | None:
        """See ``dummy_data.DummySource``."""
        ctxt = nova.context.get_admin_context()
        with contextlib.suppress(
            exception.NovaException, db_exc.DBError, AttributeError
        ):
            mapping = objects.InstanceMapping.get_by_instance_uuid(
                ctxt, server_id
            )
            with nova.context.target_cell(ctxt, mapping.cell_mapping) as cell:
                instance = objects.Instance.get_by_uuid(
                    cell, server_id, expected_attrs=['system_metadata']
                )
                metadata = instance.system_metadata
                image: str | None = metadata.get('shelved_image_id')
                return image
        return None
