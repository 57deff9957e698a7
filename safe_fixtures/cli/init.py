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

"""``safe-fixtures init``: start to harden the tests of a project."""

import argparse
from importlib import metadata
import os

from cliff import command

from safe_fixtures.cli import app
from safe_fixtures.cli import help
from safe_fixtures.cli import project
from safe_fixtures.cli import starting_files
from safe_fixtures.runtime import printable
from safe_fixtures.summary import sections

__all__ = ['Init']

_BASES = 5  # test bases that are named
_EPILOG = """\
examples:
  See how far the project here can be hardened:
    safe-fixtures init
  Write what it needs:
    safe-fixtures init --write

exit codes:
  0  all is well
  3  with --write: all files exist, or one cannot be written
"""


class Init(command.Command):
    """Say how far the tests of a project can be hardened, and how to start.

    Nothing of the project is imported. Prints a commented safe-fixtures.toml,
    a tox environment and a Zuul job; with --write, writes those that do not
    exist. A file that exists is never changed: paste what is printed.
    """

    _epilog = _EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            '--write',
            action='store_true',
            help='write the files that do not exist; exit code 3 if all do',
        )
        parser.add_argument(
            'directory',
            nargs='?',
            default='.',
            metavar='DIR',
            help='the project (default: the current directory)',
        )
        help.tidy(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Say what was found, and print or write the files."""
        directory = parsed_args.directory
        if not os.path.isdir(directory):
            raise ValueError(f'{directory} is no directory')
        found = project.look(directory)
        self._describe(directory, found)
        wanted = starting_files.all_of(directory, found)
        if not parsed_args.write:
            for file in wanted:
                self._show(file)
            self._say('Nothing was written; --write does so.')
            return 0
        written = [self._write(directory, file) for file in wanted]
        self._say('Next: safe-fixtures run --mode audit, as above.')
        return 0 if any(written) else app.ERROR

    def _describe(self, directory: str, found: project.Found) -> None:
        name = starting_files.name_of(directory)
        modules = sections.plural(found.modules, 'module')
        self._say(
            f'{name}: {sections.plural(found.tests.total(), "test")} in '
            f'{modules}'
        )
        if not found.tests.total():
            self._say('  no tests were found; put yours in the place of '
                      'my/tests')  # fmt: skip
        for kind, what in (
            ('fully', "on Nova's bases: hardened by all guards"),
            ('partly', 'on other bases: by the guards that need no Nova'),
            ('not at all', 'that are no unittest.TestCase: not hardened'),
        ):
            if found.tests[kind]:
                self._say(f'  {found.tests[kind]} {what}')
        bases = found.bases.most_common(_BASES)
        if bases:
            self._say(f'  bases: {sections.with_counts(bases)}')
        if found.hardened:
            self._say('  some tests use safe_fixtures already')
        if found.unreadable:
            self._say(
                f'  not parsed: {sections.first(sorted(found.unreadable))}'
            )
        self._say(f'  Nova: {_nova(directory)}')

    def _show(self, file: starting_files.File) -> None:
        if file.exists:
            self._say(f'\n{file.exists} exists. Add this to it, if it is new:')
        else:
            self._say(f'\n{file.name} would be:')
        self._say(''.join(
            f'    {line}'.rstrip() + '\n' for line in file.text.splitlines()
        ))  # fmt: skip

    def _write(self, directory: str, file: starting_files.File) -> bool:
        """Write a file that does not exist; return whether it did not."""
        if not file.exists:
            path = os.path.join(directory, file.name)
            try:
                with open(path, 'x', encoding='utf-8') as new:
                    new.write(file.text)
            except FileExistsError:
                # Somebody else was faster.
                pass
            else:
                self._say(f'{file.name}: written')
                return True
        self._show(file)
        return False

    def _say(self, text: str) -> None:
        print(printable.block(text), file=self.app.stdout)


def _nova(directory: str) -> str:
    """Return the releases of Nova that are installed, wanted and supported."""
    try:
        installed = f'{metadata.version("nova")} is installed here'
    except metadata.PackageNotFoundError:
        installed = 'not installed here'
    wanted = starting_files.wanted_nova(directory)
    supported = [
        requirement.partition(';')[0].strip()
        for requirement in metadata.requires('safe_fixtures') or ()
        if requirement.lower().startswith('nova')
    ]
    parts = [
        installed,
        f'the project wants {wanted}' if wanted else '',
        f'safe_fixtures supports {supported[0]}' if supported else '',
    ]
    return '; '.join(filter(None, parts))
