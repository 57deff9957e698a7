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

"""The fields of Nova's requests that refer to an image or a flavor.

They are read off the schemas that Nova checks requests with. So a field that
a release adds is known here, too.
"""

from collections.abc import Iterator
import functools
import importlib
import pkgutil
import re
from typing import Any, Literal

from nova.api.openstack.compute import schemas
from nova.api.validation import parameter_types

from safe_fixtures.guards.dummy_data import fields

__all__ = ['reference_fields']

_Kind = Literal['image', 'flavor']

_NAME = re.compile(r'(image|flavor)_?(?:ref|id|uuid)', re.IGNORECASE)
# What Nova names the type of such a field.
_TYPE = re.compile(r'(image|flavor)_(?:ref|id)(?:_or_.*)?')
_NOT_A_REQUEST = re.compile('_.*|.*(?:response|query).*')


@functools.cache
def reference_fields() -> tuple[fields.Field, ...]:
    """Return the fields of all requests, sorted by their paths."""
    found = {
        field
        for module in pkgutil.iter_modules(schemas.__path__)
        for name, schema in vars(
            importlib.import_module(f'{schemas.__name__}.{module.name}')
        ).items()
        if isinstance(schema, dict) and not _NOT_A_REQUEST.fullmatch(name)
        for field in _fields_in(schema, ())
    }
    return tuple(sorted(found, key=lambda field: field.path))


def _fields_in(schema: Any, path: tuple[str, ...]) -> Iterator[fields.Field]:
    if not isinstance(schema, dict):
        return
    kind = _kind_of(schema, path)
    if kind:
        yield fields.Field(kind, path)
    properties = schema.get('properties')
    if isinstance(properties, dict):
        for name, value in properties.items():
            yield from _fields_in(value, (*path, name))
        # A block device has one id, and says of what.
        if {'uuid', 'source_type'} <= properties.keys():
            yield fields.Field(
                'image', (*path, 'uuid'), ('source_type', 'image')
            )
    yield from _fields_in(schema.get('items'), (*path, fields.EACH))
    for word in ('allOf', 'anyOf', 'oneOf'):
        for choice in schema.get(word, ()):
            yield from _fields_in(choice, path)


def _kind_of(schema: dict[str, Any], path: tuple[str, ...]) -> _Kind | None:
    name = _NAME.fullmatch(path[-1]) if path else None
    kind = name[1].lower() if name else _types().get(id(schema))
    return kind  # type: ignore[return-value]


@functools.cache
def _types() -> dict[int, str]:
    """Return the kinds of Nova's types, by their identity.

    Equal types are not enough: an image's id looks like any other uuid.
    """
    return {
        id(value): found[1]
        for name, value in vars(parameter_types).items()
        if isinstance(value, dict) and (found := _TYPE.fullmatch(name))
    }
