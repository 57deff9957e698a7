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

"""Look at what stands in for something else: patches and stubs of modules."""

from collections.abc import Iterator
from importlib.machinery import ModuleSpec
import sys
import types
from typing import Any

from safe_fixtures.guards.posture import probe

__all__ = ['PatchProbe', 'StubProbe']


class PatchProbe(probe.Probe):
    """The patches of ``unittest.mock`` that were started, not stopped."""

    name = 'patches'
    remedy = 'Add the patch\'s stop() as a cleanup.'
    rule = 'SF503'

    def snapshot(self) -> dict[int, Any]:
        # Importing it takes long, and nobody has patched anything then.
        mock: Any = sys.modules.get('unittest.mock')
        active = mock._patch._active_patches if mock is not None else ()
        return {id(each): each for each in active}

    def changes(
        self, before: dict[int, Any], after: dict[int, Any]
    ) -> Iterator[tuple[str, Any, Any]]:
        for ident in after.keys() - before.keys():
            yield _name_of(after[ident]), probe.ABSENT, 'started'


class StubProbe(probe.ObjectProbe):
    """Stubs in ``sys.modules``: what no import put there."""

    name = 'stubs'
    remedy = 'Use mock.patch.dict(sys.modules, ...).'
    rule = 'SF503'

    def snapshot(self) -> dict[str, Any]:
        return dict(sys.modules)

    def changes(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> Iterator[tuple[str, Any, Any]]:
        absent = probe.ABSENT
        replaced = [
            name
            for name, now in after.items()
            if before.get(name, absent) is not now
        ]
        for name in replaced:
            was, now = before.get(name, absent), after[name]
            # Some libraries make a new module without a spec as they are
            # imported. None replaces one by itself.
            if not isinstance(_spec_of(now), ModuleSpec) and not (
                was is absent and isinstance(now, types.ModuleType)
            ):
                yield name, was, now


def _spec_of(module: Any) -> Any:
    try:
        return module.__spec__
    except Exception:
        return None


def _name_of(patch: Any) -> str:
    # A patch.dict has no target.
    target = getattr(patch, 'target', None)
    if target is None:
        return 'patch.dict'
    owner = getattr(target, '__name__', type(target).__name__)
    return f'{owner}.{patch.attribute}'
