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

"""The files with which a project starts to be hardened."""

from collections.abc import Sequence
import configparser
import dataclasses
import os
import re
import tomllib
from typing import Any

from safe_fixtures.cli import project
from safe_fixtures.runtime import files

__all__ = ['File', 'all_of', 'name_of', 'wanted_nova']

_ZUUL = ('.zuul.yaml', 'zuul.yaml', '.zuul.d', 'zuul.d')
_REQUIREMENTS = (
    'requirements.txt', 'test-requirements.txt', 'setup.cfg', 'pyproject.toml',
)  # fmt: skip
_WANTED = re.compile(r'^\W*(nova\b(?!-)(?![\w./])[^#;\n"\']*)', re.M | re.I)
# Such a path needs no quotes in any of the files.
_PLAIN = re.compile(r'[\w./-]+', re.ASCII)
_LARGEST = 1 << 20  # bytes of a file of the project
_SHOWN = 4  # directories of tests

_TOML = """\
# What tests of this project may do against a rule, each with the reason.
# "safe-fixtures run" reads this file. Each entry has the rule, a pattern for
# the whole id of a test ("*" also matches dots), and why:
#
# [[waiver]]
# rule = "SF203"
# tests = "{package}.test_evacuate.*"
# reason = "evacuation needs a dead host"
#
# "safe-fixtures rules" lists the rules. What nobody has a reason for is a
# debt, and belongs into safe-fixtures-baseline.toml:
#
#   safe-fixtures run --mode audit --report first {tests}
#   safe-fixtures baseline first
#
# Settings are not in this file. Put them into the environment, as set_env of
# tox does, or into an INI file that SAFE_FIXTURES_CONFIG names:
#
#   OS_SAFE_FIXTURES__RULE_MODES=SF203:enforce,SF104:off
#   OS_SAFE_FIXTURES__ALLOWED_HOSTS=mirror.example.com
"""
_TOX = """\
[testenv:hardened]
description = tests, hardened by safe_fixtures
deps =
{deps}
    ../safe_fixtures[cli]
set_env =
{settings}
    # What a violation does, for single rules:
    # OS_SAFE_FIXTURES__RULE_MODES = SF203:enforce
commands_pre =
    python -c "import shutil; shutil.rmtree(r'{{envdir}}/report', True)"
commands =
    # --mode audit only records, and --baseline FILE fails on what is new only.
    safe-fixtures run --mode audit --report {{envdir}}/report \\
        {{posargs:{tests}}}
"""
_JOB = """\
- job:
    name: {name}-hardened
    parent: openstack-tox
    description: |
      Tests with the guards of safe_fixtures. See the report in the logs.
    required-projects:
{projects}
    irrelevant-files:
      - ^doc/.*$
      - ^releasenotes/.*$
    vars:
      tox_envlist: hardened
      zuul_copy_output:
        '{{{{ zuul.project.src_dir }}}}/.tox/hardened/report': logs

- project:
    check:
      jobs:
        - {name}-hardened
"""


@dataclasses.dataclass(frozen=True)
class File:
    """A file that a project needs.

    :ivar name: its name, in the directory of the project (str).
    :ivar text: what it should hold, or what is missing in it (str).
    :ivar exists: what is there in its place; empty if nothing is (str).
    """

    name: str
    text: str
    exists: str


def all_of(directory: str, found: project.Found) -> list[File]:
    """Return the waivers file, the tox environment and the Zuul job.

    :param directory: the project.
    :param found: its tests.
    """
    paths = [path for path in found.paths if _PLAIN.fullmatch(path)]
    tests = ' '.join(paths[:_SHOWN]) or 'my/tests'
    package = os.path.splitext(tests.partition(' ')[0])[0].replace('/', '.')
    nova = ['openstack/nova'] if found.uses_nova else []
    zuul = next((name for name in _ZUUL if _exists(directory, name)), '')
    return [
        File(
            'safe-fixtures.toml',
            _TOML.format(package=package, tests=tests),
            _exists(directory, 'safe-fixtures.toml'),
        ),
        File(
            'tox.ini',
            _tox(directory, found, tests),
            _exists(directory, 'tox.ini'),
        ),
        File(
            zuul or _ZUUL[0],
            _JOB.format(
                name=name_of(directory),
                projects='\n'.join(
                    f'      - {each}'
                    for each in (*nova, 'openstack/safe_fixtures')
                ),
            ),
            zuul,
        ),
    ]


def _exists(directory: str, name: str) -> str:
    return name if os.path.lexists(os.path.join(directory, name)) else ''


def _tox(directory: str, found: project.Found, tests: str) -> str:
    text = _read(directory, 'tox.ini')
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        # It is shown what to add all the same.
        parser.clear()
    deps = ['{[testenv]deps}'] if parser.has_option('testenv', 'deps') else [
        f'-r {name}'
        for name in _REQUIREMENTS[:2]
        if os.path.isfile(os.path.join(directory, name))
    ]  # fmt: skip
    settings = ['PYTHONDONTWRITEBYTECODE = 1']
    if found.uses_nova:
        settings.insert(0, 'OS_NOVA_DISABLE_EVENTLET_PATCHING = True')
    filled = _TOX.format(
        deps=_lines(deps), settings=_lines(settings), tests=tests
    )
    # Without any other requirement, a line is empty.
    return filled.replace('deps =\n\n', 'deps =\n')


def _lines(values: Sequence[str]) -> str:
    return '\n'.join(f'    {each}' for each in values)


def name_of(directory: str) -> str:
    """Return the name of a project, fit for the name of a Zuul job.

    It comes from the metadata of the project, else from its directory.
    """
    name = ''
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(_read(directory, 'setup.cfg'))
        name = parser.get('metadata', 'name', fallback='')
        name = name or _in_pyproject(directory)
    except (configparser.Error, ValueError, RecursionError):
        name = ''
    name = name or os.path.basename(os.path.abspath(directory))
    plain = re.sub(r'[^a-z0-9]+', '-', name[:100].lower()).strip('-')
    return plain or 'my-project'


def _in_pyproject(directory: str) -> str:
    content: Any = tomllib.loads(_read(directory, 'pyproject.toml'))
    about = content.get('project')
    name = about.get('name') if isinstance(about, dict) else None
    return name if isinstance(name, str) else ''


def wanted_nova(directory: str) -> str:
    """Return what the project requires of Nova, and where; may be empty."""
    for name in _REQUIREMENTS:
        wanted = _WANTED.search(_read(directory, name))
        if wanted:
            return f'{wanted[1].strip()[:60]} ({name})'
    return ''


def _read(directory: str, name: str) -> str:
    """Return the text of a file; empty if it cannot be read."""
    try:
        with files.open_regular(os.path.join(directory, name)) as file:
            return file.read(_LARGEST).decode(errors='replace')
    except OSError:
        return ''
