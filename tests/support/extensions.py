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

"""Plugins of other packages, for inner tests."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import fixtures

from safe_fixtures import extensions
from safe_fixtures.runtime import entry_points
from tests.support import base

__all__ = ['Distribution', 'Entry', 'Plugins', 'install_example', 'write']

_BUILD = """
import sys
from setuptools import build_meta
build_meta.build_wheel(sys.argv[1])
"""


class Distribution:
    name = 'example'
    version = '1.0'


class Entry:
    """An entry point, as installed packages have them.

    :param load: returns what it names, or raises.
    """

    dist = Distribution()
    value = 'example'

    def __init__(self, group, name, load):
        self.group = f'safe_fixtures.{group}'
        self.name = name
        self.load = load


class _Entries(list):
    def select(self, group):
        return [entry for entry in self if entry.group == group]


class Plugins(fixtures.Fixture):
    """Has this process find some entry points and no others.

    :param entries: as :class:`Entry`.
    """

    def __init__(self, *entries):
        super().__init__()
        self._entries = _Entries(entries)

    def _setUp(self):
        for module, name, value in (
            (entry_points, '_all', lambda: self._entries),
            (extensions, '_loaded', {}),
        ):
            self.useFixture(
                fixtures.MonkeyPatch(f'{module.__name__}.{name}', value)
            )
        #: What the logger said (fixtures.FakeLogger).
        self.logger = self.useFixture(
            fixtures.FakeLogger('safe_fixtures.plugins')
        )


def install_example(target, scratch):
    """Install examples/plugin, without an index, pip or the network.

    :param target: the directory it goes to (pathlib.Path).
    :param scratch: an empty directory (pathlib.Path).
    """
    source = scratch / 'source'
    shutil.copytree(os.path.join(base.ROOT, 'examples', 'plugin'), source)
    subprocess.run(
        [sys.executable, '-c', _BUILD, str(scratch)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (wheel,) = scratch.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)


def write(target, name, source, **entries):
    """Install a package of one module.

    :param target: the directory it goes to (pathlib.Path).
    :param name: that of the package and the module.
    :param source: that of the module.
    :param entries: by group: lines of entry points.
    """
    info = pathlib.Path(target, f'{name}-1.0.dist-info')
    info.mkdir(parents=True)
    pathlib.Path(target, f'{name}.py').write_text(source)
    (info / 'METADATA').write_text(
        f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n'
    )
    (info / 'entry_points.txt').write_text(
        '\n'.join(
            f'[safe_fixtures.{group}]\n{lines}\n'
            for group, lines in entries.items()
        )
    )
