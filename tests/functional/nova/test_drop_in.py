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

"""Nova's own tests, unedited, on hardened bases."""

import importlib
import unittest

from safe_fixtures.nova import hardened
from tests.functional.nova import drop_in


def _names_of(cls):
    return unittest.TestLoader().getTestCaseNames(cls)


def _chosen(module_name, spec):
    """Return a hardened class that runs the methods of *spec*."""
    class_name, _, methods = spec.partition(':')
    module = importlib.import_module(f'nova.tests.functional.{module_name}')
    unhardened = getattr(module, class_name)
    kept = methods.split(',') if methods else _names_of(unhardened)
    attributes = {
        name: None for name in _names_of(unhardened) if name not in kept
    }
    attributes['__module__'] = __name__
    return type(f'{class_name}Hardened', (hardened(unhardened),), attributes)


for _module, _specs in drop_in.MODULES.items():
    for _spec in _specs:
        _cls = _chosen(_module, _spec)
        assert _cls.__name__ not in globals(), _cls.__name__
        globals()[_cls.__name__] = _cls
del _cls
