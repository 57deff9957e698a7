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

"""Look at the tests of a project without importing anything of it."""

import ast
import collections
from collections.abc import Iterator
import dataclasses
import os
import warnings

from safe_fixtures.runtime import files

__all__ = ['Found', 'look']

#: How far a test can be hardened: by all guards, by those that need no Nova,
#: and not at all, as it is no ``unittest.TestCase``.
_FULLY, _PARTLY, _NOT = 'fully', 'partly', 'not at all'
_LARGEST = 1 << 22  # bytes of a module
_MOST = 20_000  # modules
# As a share: a directory with so many of the tests stands for all.
_MOST_TESTS = 0.9
# What is no source of the project.
_SKIPPED = {'build', 'dist', 'node_modules', '__pycache__', 'site-packages'}
_NOVA = ('nova.test.', 'nova.tests.', 'safe_fixtures.nova.')


@dataclasses.dataclass
class Found:
    """What the sources of a project say about its tests.

    :ivar modules: how many modules have tests (int).
    :ivar tests: how many test methods can be hardened fully, partly and not
        at all (Counter). Those that a class inherits do not count again.
    :ivar bases: how many test classes use each test base of elsewhere
        (Counter).
    :ivar paths: directories that hold the tests, those of Nova's bases if
        there are any (list of str).
    :ivar unreadable: the modules that Python cannot parse (list of str).
    :ivar hardened: whether some tests use this package already (bool).
    """

    modules: int = 0
    tests: 'collections.Counter[str]' = dataclasses.field(
        default_factory=collections.Counter
    )
    bases: 'collections.Counter[str]' = dataclasses.field(
        default_factory=collections.Counter
    )
    paths: list[str] = dataclasses.field(default_factory=list)
    unreadable: list[str] = dataclasses.field(default_factory=list)
    hardened: bool = False

    @property
    def uses_nova(self) -> bool:
        """Whether some tests can be hardened fully."""
        return self.tests[_FULLY] > 0


def look(directory: str) -> Found:
    """Return what the sources below a directory say about its tests.

    :param directory: the project.
    """
    found = Found()
    classes: dict[str, _Class] = {}
    for path in _sources(directory):
        try:
            classes.update(_Module(directory, path).classes)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
            found.unreadable.append(os.path.relpath(path, directory))
    # How many tests each file has.
    by_kind: dict[str, collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    for each in classes.values():
        if not each.tests:
            continue
        roots = set(_roots(each, classes))
        kind = _kind(roots)
        found.tests[kind] += each.tests
        found.hardened |= any(
            name.startswith('safe_fixtures') for name in roots
        )
        by_kind[kind][each.path] += each.tests
        if kind != _NOT:
            found.bases.update(filter(_is_test_base, roots))
    found.modules = len(set().union(*by_kind.values()))
    found.paths = _homes(by_kind[_FULLY] or by_kind[_PARTLY])
    return found


def _sources(directory: str) -> Iterator[str]:
    count = 0
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith('.')
            and name not in _SKIPPED
            and not name.endswith('.egg-info')
            # A virtual environment.
            and not os.path.lexists(os.path.join(folder, name, 'pyvenv.cfg'))
        )
        for name in sorted(names):
            if name.endswith('.py'):
                count += 1
                if count > _MOST:
                    return
                yield os.path.join(folder, name)


@dataclasses.dataclass
class _Class:
    """A class in the sources.

    :ivar path: its file, from the project.
    :ivar bases: the dotted names of its bases, as far as they have some.
    :ivar tests: how many test methods it defines.
    """

    path: str
    bases: list[str]
    tests: int


class _Module:
    """One source.

    :ivar classes: its classes, by dotted name.
    :raises: SyntaxError, ValueError, RecursionError, MemoryError: as by
        ``ast.parse``; OSError if the file cannot be read.
    """

    def __init__(self, directory: str, path: str) -> None:
        with files.open_regular(path) as file:
            source = file.read(_LARGEST + 1)
        if len(source) > _LARGEST:
            raise ValueError('it is too long')
        with warnings.catch_warnings():
            # Such as of an escape in a string of the project.
            warnings.simplefilter('ignore')
            tree = ast.parse(source)
        self._path = os.path.relpath(path, directory)
        self._name = _dotted(self._path)
        is_package = os.path.basename(path) == '__init__.py'
        self._package = (
            self._name if is_package else self._name.rpartition('.')[0]
        )
        # Dotted names, by what they are called here.
        self._names: dict[str, str] = {}
        self.classes: dict[str, _Class] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition('.')[0]
                    self._names[alias.asname or top] = (
                        alias.name if alias.asname else top
                    )
            elif isinstance(node, ast.ImportFrom):
                source_name = self._absolute(node)
                for alias in node.names:
                    name = alias.asname or alias.name
                    self._names[name] = f'{source_name}.{alias.name}'
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                self._names[node.name] = f'{self._name}.{node.name}'
                self._add(node)
            elif _is_test(node):
                self._add_function()

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ''
        parts = self._package.split('.')
        parts = parts[: len(parts) - node.level + 1]
        return '.'.join([*parts, *([node.module] if node.module else [])])

    def _add(self, node: ast.ClassDef) -> None:
        bases = [self._resolved(base) for base in node.bases]
        self.classes[f'{self._name}.{node.name}'] = _Class(
            self._path,
            [base for base in bases if base],
            sum(map(_is_test, node.body)),
        )

    def _add_function(self) -> None:
        # Of another runner than unittest.
        name = f'{self._name}.'
        known = self.classes.setdefault(name, _Class(self._path, [], 0))
        known.tests += 1

    def _resolved(self, base: ast.expr) -> str:
        """Return the dotted name of a base; empty if it has none."""
        if isinstance(base, ast.Call):
            # As hardened(base) does.
            return self._resolved(base.func)
        try:
            name = ast.unparse(base)
        except RecursionError:
            return ''
        first, dot, rest = name.partition('.')
        return self._names.get(first, first) + dot + rest


def _is_test(node: ast.stmt) -> bool:
    return isinstance(
        node, (ast.FunctionDef, ast.AsyncFunctionDef)
    ) and node.name.startswith('test')


def _dotted(path: str) -> str:
    parts = os.path.splitext(path)[0].split(os.sep)
    if parts[-1] == '__init__':
        parts.pop()
    if len(parts) > 1 and parts[0] in ('src', 'lib'):
        del parts[0]
    return '.'.join(parts)


def _roots(each: _Class, classes: dict[str, _Class]) -> Iterator[str]:
    """Yield the bases of a class, and of its bases, that are of elsewhere."""
    seen: set[str] = set()
    queue = list(each.bases)
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        # In Nova itself, they are of the project.
        if name in classes and not name.startswith(_NOVA):
            queue += classes[name].bases
        else:
            yield name


def _kind(roots: set[str]) -> str:
    if any(name.startswith(_NOVA) for name in roots):
        return _FULLY
    return _PARTLY if any(map(_is_test_base, roots)) else _NOT


def _is_test_base(name: str) -> bool:
    # Its source is elsewhere, so it goes by its name.
    last = name.rpartition('.')[2]
    return 'Test' in last or 'Case' in last or last == 'hardened'


def _homes(tests: 'collections.Counter[str]') -> list[str]:
    """Return where the tests of each package are, as deep as most of them.

    :param tests: how many tests each file has.
    """
    tops = {path.partition(os.sep)[0] for path in tests}
    return [_home(top, tests) for top in sorted(tops)]


def _home(place: str, tests: 'collections.Counter[str]') -> str:
    below = collections.Counter[str]()
    for path, count in tests.items():
        if path.startswith(place + os.sep):
            deeper = path[len(place) + 1 :].partition(os.sep)[0]
            below[os.path.join(place, deeper)] += count
    for deepest, count in below.most_common(1):
        if count >= _MOST_TESTS * below.total():
            return _home(deepest, tests)
    return place
