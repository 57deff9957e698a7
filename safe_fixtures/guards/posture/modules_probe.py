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

"""Compare the functions, classes and values of modules."""

from collections.abc import Iterator
from operator import is_
import sys
import types
from typing import Any, ClassVar, Final

from safe_fixtures.guards.posture import probe

__all__ = ['ModulesProbe']

# Modules, and classes of them, that decide what others get.
_OWNERS: Final = (
    'builtins', 'codecs', 'copy', 'datetime', 'decimal', 'gc', 'getpass',
    'glob', 'hashlib', 'hmac', 'http.client', 'io', 'json', 'locale',
    'logging', 'logging.handlers', 'os', 'pathlib', 'pickle', 'platform',
    'posixpath', 'random', 'resource', 'secrets', 'select', 'shutil',
    'signal', 'socket', 'ssl', 'stat', 'subprocess', 'sys', 'tempfile',
    'threading', 'time', 'traceback', 'urllib.parse', 'urllib.request',
    'uuid', 'warnings',
    'http.client:HTTPConnection', 'http.client:HTTPResponse',
    'http.client:HTTPSConnection', 'logging:Handler', 'logging:Logger',
    'os:_Environ', 'pathlib:Path', 'pathlib:PurePath', 'random:Random',
    'random:SystemRandom', 'socket:socket', 'ssl:SSLContext',
    'ssl:SSLSocket', 'subprocess:Popen', 'tempfile:TemporaryDirectory',
    'threading:Event', 'threading:Thread', 'threading:Timer',
    'urllib.request:HTTPSHandler', 'urllib.request:OpenerDirector',
)  # fmt: skip
# Modules in which a name that was not there counts, too.
_CLOSED: Final = ('builtins', 'sys')
# What these have is compared by other probes, or changes by itself.
_SKIPPED: Final = frozenset([
    'sys.last_exc', 'sys.last_traceback', 'sys.last_type', 'sys.last_value',
    'sys.meta_path', 'sys.path', 'sys.path_hooks', 'sys.ps1', 'sys.ps2',
    'tempfile.tempdir', 'warnings.filters',
])  # fmt: skip
_CODE = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType,
    types.MethodDescriptorType, types.WrapperDescriptorType,
    types.GetSetDescriptorType, types.MemberDescriptorType,
    types.ClassMethodDescriptorType, type, property, classmethod,
    staticmethod,
)  # fmt: skip
_Attributes = tuple[Any, dict[str, Any]]


class ModulesProbe(probe.ObjectProbe):
    """What tests replace: functions, classes and values of modules.

    A public name counts whatever its value is, and a private one if it is
    that of a function or a class, as others are caches. What was not there
    before counts in ``builtins`` and ``sys`` only, since importing a module
    adds it to its package, and in a class if it covers what it inherits.
    """

    name = 'modules'
    remedy = 'Patch with useFixture(fixtures.MonkeyPatch(...)).'
    # Modules and classes; those in which a new name counts, too; whether
    # only functions and classes count.
    owners: ClassVar[tuple[str, ...]] = _OWNERS
    closed: ClassVar[tuple[str, ...]] = _CLOSED
    code_only = False

    def snapshot(self) -> dict[str, _Attributes]:
        modules = sys.modules
        found = {}
        for key in self.owners:
            name, _, cls = key.partition(':')
            owner = modules.get(name)
            if owner is not None and cls:
                owner = getattr(owner, cls, None)
            if owner is not None:
                found[key] = (owner, dict(vars(owner)))
        return found

    def changes(
        self, before: dict[str, _Attributes], after: dict[str, _Attributes]
    ) -> Iterator[tuple[str, Any, Any]]:
        for key in before.keys() & after.keys():
            (owner, old), (other, new) = before[key], after[key]
            # Another class has been reported as an attribute of its module.
            if owner is not other or (
                len(old) == len(new)
                and all(map(is_, old.values(), new.values()))
            ):
                continue
            for name, was, now in _differences(
                owner, old, new, key in self.closed
            ):
                text = f'{key}.{name}'.replace(':', '.')
                if text not in _SKIPPED and (
                    isinstance(was, _CODE) or not self.code_only
                ):
                    yield text, was, now


def _differences(
    owner: Any, old: dict[str, Any], new: dict[str, Any], closed: bool
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the attributes that were replaced.

    :param owner: the module or class that has them.
    :param closed: whether a name that a module did not have counts.
    """
    for name, was in old.items():
        now = new.get(name, probe.ABSENT)
        if was is now or (name.startswith('_') and not isinstance(was, _CODE)):
            continue
        same_type = type(was) is type(now) and type(was) in probe.PLAIN
        if not (same_type and was == now):
            yield name, was, now
    for name in new.keys() - old.keys():
        if isinstance(owner, type):
            # It covers what the class inherits.
            bases = [vars(base) for base in owner.__mro__[1:]]
            inherited = [base[name] for base in bases if name in base]
            if inherited:
                yield name, inherited[0], new[name]
        elif closed and not name.startswith('_'):
            # The others are _ of gettext and of the interactive interpreter.
            yield name, probe.ABSENT, new[name]
