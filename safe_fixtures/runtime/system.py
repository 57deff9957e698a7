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

"""What the operating system offers, whatever a test does to its modules.

A record must not be lost, and a violation not missed, because the test that
it is about has replaced ``os.open``, ``os.path.isdir`` or ``uuid.uuid4``. A
few modules of the standard library are here as they were at import: their
functions call each other, not what a test has put in their place.
"""

import importlib.util
import json as _json
import os as _os
import sys as _sys
import types
from typing import Any, TYPE_CHECKING

__all__ = ['as_json', 'frame', 'os', 'private', 'stat', 'uuid']

#: ``sys._getframe``.
frame = _sys._getframe
_encode = _json.JSONEncoder(allow_nan=False).encode


def private(name: str, **names: Any) -> types.ModuleType:
    """Return a copy of a module of Python that only the caller holds.

    :param names: what it holds in place of what it imported.
    :raises: ImportError if there is no such module.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f'there is no module {name}', name=name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module).update(names)
    return module


def as_json(value: Any) -> str:
    """Return JSON; ValueError and TypeError for what it has no form for."""
    return _encode(value)


if TYPE_CHECKING:
    import os
    import stat
    import uuid
else:
    os = types.SimpleNamespace(**vars(_os))
    stat = private('stat')
    _generic = private('genericpath', os=os, stat=stat)
    os.path = private(
        _os.path.__name__,
        os=os,
        stat=stat,
        genericpath=_generic,
        **{name: vars(_generic)[name] for name in _generic.__all__},
    )
    uuid = private('uuid', os=os)
