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

"""Check each JSON schema once, and make each class of validators once."""

from collections.abc import Callable
import functools
import importlib
import marshal
from typing import Any

import jsonschema

from safe_fixtures.nova.speed import cure
from safe_fixtures.runtime import patching

__all__ = ['Schemas']

# Nova and Placement have fewer.
_MOST = 5000
_Validator = jsonschema.Draft202012Validator
_META_SCHEMA = _Validator.META_SCHEMA
_valid: set[Any] = set()
_classes: dict[Any, Any] = {}


class Schemas(cure.Cure):
    """Check each JSON schema once, and make each class of validators once.

    Placement checks its own schemas for each request. A schema is found by
    all that is in it; one that is invalid is checked again.

    Nova derives a class of validators for each request and each response.
    All that are made in the same way are of one class.
    """

    name = 'schemas'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        validators = importlib.import_module('nova.api.validation.validators')
        check = cure.known(
            _Validator, 'check_schema', 'cls', 'schema', 'format_checker'
        )
        for name in ('META_SCHEMA', 'VALIDATORS', 'FORMAT_CHECKER'):
            cure.known(_Validator, name)
        made = cure.known(validators, '_SchemaValidator')
        init = cure.known(
            made, '__init__', 'self', 'schema',
            'relax_additional_properties', 'is_body',
        )  # fmt: skip
        for name in ('_validate_minimum', '_validate_maximum'):
            cure.known(made, name)
        for name in (
            '_FORMAT_CHECKER',
            '_soft_validate_additional_properties',
        ):
            cure.known(validators, name)
        patches = (
            (_Validator, 'check_schema', _checking(check)),
            (made, '__init__', _initializer(validators, init)),
        )
        return patching.patch_together(
            *(functools.partial(cure.replace, *each) for each in patches)
        )


def _checking(original: Any) -> Any:
    @functools.wraps(original.__func__)
    def check_schema(cls: Any, schema: Any, *args: Any, **kwargs: Any) -> None:
        key = None if args or kwargs else _key_of(cls, schema)
        if key is not None and key in _valid:
            Schemas.counts.hits += 1
            return
        original.__func__(cls, schema, *args, **kwargs)
        if key is not None:
            Schemas.counts.misses += 1
            cure.make_room(_valid, _MOST)
            _valid.add(key)

    return classmethod(check_schema)


def _key_of(cls: Any, schema: Any) -> Any:
    """Return all that decides whether a schema is valid.

    :returns: None if that is not known.
    """
    if cls.META_SCHEMA is not _META_SCHEMA:
        return None
    try:
        # It tells True from 1, and refuses what is not plain.
        content = marshal.dumps(schema, 0)
    except ValueError:
        return None
    return (
        cls,
        *cls.VALIDATORS.items(),
        *cls.FORMAT_CHECKER.checkers.items(),
        content,
    )


def _initializer(module: Any, original: Any) -> Any:
    """Return an initializer of Nova's validators that remembers classes."""

    @functools.wraps(original)
    def __init__(  # noqa: N807
        self: Any,
        schema: Any,
        relax_additional_properties: Any = False,
        is_body: Any = True,
    ) -> None:
        kind = type(self)
        parent = self.validator_org
        key = (
            kind,
            kind._validate_minimum,
            kind._validate_maximum,
            bool(relax_additional_properties),
            module._soft_validate_additional_properties,
            module.jsonschema.validators.extend,
            parent,
            *parent.VALIDATORS.items(),
        )
        cls = _classes.get(key)
        if cls is None:
            original(self, schema, relax_additional_properties, is_body)
            Schemas.counts.misses += 1
            cure.make_room(_classes, _MOST)
            _classes[key] = type(self.validator)
            return
        Schemas.counts.hits += 1
        self.is_body = is_body
        self.validator = cls(schema, format_checker=module._FORMAT_CHECKER)

    return __init__
