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

"""Find tests by name, by path or by id.

Each test has an id, and a source: the name that loads it.
"""

from collections.abc import Iterable, Iterator, Mapping
import contextlib
import faulthandler
import fnmatch
import importlib
from importlib import util
import itertools
import os
import re
import sys
import traceback
import unittest

from stestr.subunit_runner import program

from safe_fixtures.runtime import printable

__all__ = ['Listing', 'load']

_PATTERN = 'test*.py'
# As import takes it: no identifier, but parts between dots.
_NAME = re.compile(r'[\w-]+(\.[\w-]+)*')
_PART = re.compile(r'[\w-]+')
# For modules of tests. It takes names such as 05_x, which are no identifiers.
_import = importlib.import_module
_FAILED = 'unittest.loader._FailedTest.'


def load(source: str) -> unittest.TestSuite:
    """Load the tests of a module, a class or a method.

    :param source: a source of a :class:`Listing`.
    :raises: whatever the import raises.
    """
    loader = unittest.TestLoader()
    if source != _module_of(source):
        return _multiplied(loader.loadTestsFromName(source))
    module = _import(source)
    pattern = _PATTERN if hasattr(module, '__path__') else None
    return _multiplied(loader.loadTestsFromModule(module, pattern=pattern))


def _multiplied(suite: unittest.TestSuite) -> unittest.TestSuite:
    """Replace each test that has scenarios by one test per scenario.

    Otherwise it does so when it runs, with ids that are not in the listing.
    """
    testscenarios = sys.modules.get('testscenarios')
    if testscenarios is None or not any(
        isinstance(test, testscenarios.WithScenarios)
        for test in program.iterate_tests(suite)
    ):
        return suite
    return unittest.TestSuite(testscenarios.generate_scenarios(suite))


class Listing:
    """The tests of some arguments, and the errors on the way to them.

    :param limit: seconds for loading one module. After that, the stack goes
        to standard error and the process ends.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        #: The source of each test, by its id.
        self.tests: dict[str, str] = {}
        #: The modules whose tests belong together: a function makes their
        #: classes, and may have made a suite that they need.
        self.together: set[str] = set()
        #: The traceback of each module that cannot be loaded.
        self.errors: dict[str, str] = {}
        #: The reason of each module that skips itself.
        self.skipped: dict[str, str] = {}
        #: What is wrong with each argument that names no test.
        self.unknown: dict[str, str] = {}

    def add(self, argument: str) -> None:
        """Add the tests of a package, module, class, method or path."""
        try:
            self._add(argument)
        except (LookupError, ValueError) as error:
            self.unknown[argument] = str(error.args[0])

    def add_ids(self, ids: Iterable[str]) -> list[str]:
        """Add tests by their ids; return those that are not there."""
        by_module: dict[str, list[str]] = {}
        missing = []
        for test_id in ids:
            module = self._module_of(test_id)
            if module is None:
                missing.append(test_id)
            else:
                by_module.setdefault(module, []).append(test_id)
        for module, wanted in by_module.items():
            found = self._load(module)
            if module in self.errors or module in self.skipped:
                continue
            missing += self._choose(wanted, found)
        return missing

    def keep(self, ids: Iterable[str]) -> list[str]:
        """Keep only the tests with some ids; return those not there."""
        found, self.tests = self.tests, {}
        return self._choose(ids, found)

    def _choose(
        self, wanted: Iterable[str], found: Mapping[str, str]
    ) -> list[str]:
        """Add those tests that are wanted; return ids that are not there.

        Other runners list a test with scenarios once, without the scenario.
        All its scenarios are wanted then. What cannot be imported or set up
        is reported by the name of its module or class; then all tests of
        that are wanted.
        """
        missing = []
        others: dict[str, list[str]] = {}
        for test_id in found:
            others.setdefault(_without_scenario(test_id), []).append(test_id)
            # An id of two lines stands on one line in a list.
            others.setdefault(printable.line(test_id), [test_id])
        for test_id in wanted:
            chosen = [test_id] if test_id in found else others.get(test_id)
            chosen = chosen or [
                each for each in found if each.startswith(f'{test_id}.')
            ]
            if not chosen:
                missing.append(test_id)
            for each in chosen:
                self.tests.setdefault(each, found[each])
        return missing

    def _add(self, argument: str) -> None:
        if os.sep in argument or argument.endswith(('.', '.py')):
            if not os.path.exists(argument):
                raise LookupError('there is no such file or directory')
            name = _name_of_path(argument)
            if not name:
                self._add_directory(os.curdir, '')
                return
            _check_path(argument, name)
        else:
            name = argument
        if not _NAME.fullmatch(_without_scenario(name)):
            raise ValueError('it cannot be the name of a module or a test')
        module = self._module_of(name)
        if module is None:
            raise LookupError(
                f'there is no module {name.partition(".")[0]}; is it '
                'installed, or below the current directory?'
            )
        if module == name:
            self._add_module(name)
        elif module not in self.errors and module not in self.skipped:
            self._add_part(name, module)

    def _add_module(self, name: str) -> None:
        self._merge(self._load(name))
        if name in self.errors or name in self.skipped:
            return
        module = _import(name)
        # A package with load_tests() loads its modules itself.
        if not hasattr(module, 'load_tests'):
            for path in getattr(module, '__path__', ()):
                self._add_directory(path, f'{name}.')

    def _add_directory(self, path: str, prefix: str) -> None:
        for entry in sorted(os.scandir(path), key=lambda each: each.name):
            if entry.is_dir():
                if os.path.isfile(os.path.join(entry.path, '__init__.py')):
                    self._add_module(prefix + entry.name)
            elif fnmatch.fnmatch(entry.name, _PATTERN):
                self._add_module(prefix + entry.name.removesuffix('.py'))

    def _add_part(self, name: str, module: str) -> None:
        """Add the tests of a class or a method of a module."""
        found = self._load(module)
        if module in self.errors or module in self.skipped:
            return
        # The second form: ddt adds a number to the name of a method.
        for form in (r'(?:[.(].*)?', r'_\d+(?:[_(].*)?'):
            wanted = re.compile(re.escape(name) + form)
            chosen = dict.fromkeys(filter(wanted.fullmatch, found), module)
            if chosen:
                self._merge(chosen)
                return
        # The id of a test names the module where its class is defined, which
        # may be another one.
        try:
            with self._in_time():
                suite = load(name)
        except (AttributeError, TypeError):
            suite = unittest.TestSuite()
        chosen = {
            printable.block(test.id()): name
            for test in program.iterate_tests(suite)
            if not test.id().startswith(_FAILED)
            # The loader takes any method for a test.
            and test.id().rpartition('.')[2].startswith(('test', 'runTest'))
        }
        if not chosen:
            rest = name.removeprefix(f'{module}.')
            raise LookupError(f'{module} has no test {rest}')
        self._merge(chosen)

    def _load(self, source: str) -> dict[str, str]:
        """Return the tests of a module; note it if it cannot be loaded."""
        # If the module ends the process, or never ends, this names it. The
        # module may have replaced sys.stderr.
        os.write(2, f'loading {source}\n'.encode(errors='replace'))
        try:
            with self._in_time():
                suite = load(source)
            # A test makes its id itself, so that may fail, too.
            return self._found(suite, source)
        except unittest.SkipTest as skip:
            self.skipped[source] = str(skip)
        except (Exception, SystemExit):
            self.errors[source] = traceback.format_exc()
        return {}

    def _found(self, suite: unittest.TestSuite, source: str) -> dict[str, str]:
        """Return the tests of a suite; note what it could not load."""
        found = {}
        for test in program.iterate_tests(suite):
            test_id = test.id()
            if test_id.startswith(_FAILED):
                try:
                    test.debug()
                except Exception as error:
                    self.errors[test_id.removeprefix(_FAILED)] = str(error)
            else:
                found[printable.block(test_id)] = source
                if not _has_name(type(test)):
                    self.together.add(source)
        return found

    @contextlib.contextmanager
    def _in_time(self) -> Iterator[None]:
        """End this process, with its stack, if the block takes too long."""
        faulthandler.dump_traceback_later(self._limit, exit=True, file=2)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _merge(self, found: dict[str, str]) -> None:
        for test_id, source in found.items():
            self.tests.setdefault(test_id, source)

    def _module_of(self, name: str) -> str | None:
        """Return the module of a test; note it if it cannot be loaded."""
        try:
            with self._in_time():
                return _module_of(_without_scenario(name))
        except _Unimportable as error:
            module = str(error)
            self._load(module)
            return module


class _Unimportable(Exception):
    """A package cannot be imported; the text is its name."""


def _module_of(name: str) -> str | None:
    """Return the longest part of a dotted name that is a module."""
    module = None
    for prefix in itertools.accumulate(name.split('.'), '{}.{}'.format):
        try:
            # This imports the package of the prefix.
            spec = util.find_spec(prefix)
        except ModuleNotFoundError as error:
            if error.name == prefix:
                break  # there is a module, but no package
            raise _Unimportable(module) from error
        except (Exception, SystemExit) as error:
            raise _Unimportable(module) from error
        if spec is None:
            break
        module = prefix
    return module


def _has_name(cls: type) -> bool:
    """Whether a class can be found by its name."""
    first = cls.__qualname__.partition('.')[0]
    return hasattr(sys.modules.get(cls.__module__), first)


def _without_scenario(test_id: str) -> str:
    return test_id.partition('(')[0]


def _name_of_path(path: str) -> str:
    relative = os.path.relpath(path)
    if relative == os.curdir:
        return ''
    if relative.split(os.sep)[0] == os.pardir:
        raise ValueError('it is not below the current directory')
    module = relative.removesuffix('.py')
    # The file of a package is the package.
    return module.removesuffix(f'{os.sep}__init__').replace(os.sep, '.')


def _check_path(path: str, name: str) -> None:
    """Check that a path can be imported by its name, and only it.

    :raises: ValueError that says what is wrong.
    """
    relative = os.path.relpath(path)
    if os.path.isfile(relative) and not relative.endswith('.py'):
        raise ValueError('it is no Python file: its name must end in .py')
    for part in relative.removesuffix('.py').split(os.sep):
        if not _PART.fullmatch(part):
            raise ValueError(
                f'{part!r} cannot be part of the name of a module, so it '
                'cannot be imported: rename it, with letters, digits and _'
            )
    first = name.partition('.')[0]
    known = sys.modules.get(first)
    file = getattr(known, '__file__', None)
    here = os.path.join(os.curdir, first)
    if file is not None and not any(
        os.path.exists(each) and os.path.samefile(each, file)
        for each in (f'{here}.py', os.path.join(here, '__init__.py'))
    ):
        raise ValueError(
            f'{file} is a module of that name, too, and is imported already: '
            'rename one of the two'
        )
