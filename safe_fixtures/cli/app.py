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

"""The application behind the command ``safe-fixtures``."""

import argparse
from importlib import metadata
import logging
from typing import Any

from cliff import app
from cliff import command
from cliff import commandmanager
from cliff import help as cliff_help

from safe_fixtures.runtime import printable

__all__ = ['ERROR', 'SafeFixtures']

# The exit code if the command, the configuration or the environment is wrong.
ERROR = 3
_COMMANDS = 'safe_fixtures.cli'


class _Printable(logging.Formatter):
    """Escapes what cannot be printed, such as in the name of a file."""

    def __init__(self, formatter: logging.Formatter | None) -> None:
        super().__init__()
        self._formatter = formatter or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        return printable.block(self._formatter.format(record))


class SafeFixtures(app.App):
    """Finds the commands and reports their errors; it is not interactive."""

    NAME = 'safe-fixtures'

    def __init__(self) -> None:
        super().__init__(
            'Harden functional tests, and report what they did.',
            metadata.version('safe_fixtures'),
            commandmanager.CommandManager(_COMMANDS),
            # Otherwise "COMMAND --help" shows our own help.
            deferred_help=True,
        )
        self._failed = False

    def configure_logging(self) -> None:
        super().configure_logging()
        for handler in logging.getLogger('').handlers:
            handler.setFormatter(_Printable(handler.formatter))

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        # An abbreviated option could be one of the command.
        return super().build_option_parser(
            description, version, {'prog': self.NAME, 'allow_abbrev': False}
        )

    def run(self, argv: list[str]) -> int:
        try:
            return int(super().run(argv))
        except SystemExit as exited:
            # argparse exits with 2, which means a violation here.
            return ERROR if exited.code else 0

    def initialize_app(self, argv: list[str]) -> None:
        if argv or self.options.deferred_help:
            return
        try:
            cliff_help.HelpAction([], argparse.SUPPRESS, default=self)(
                self.parser, self.options, None
            )
        except SystemExit:
            raise SystemExit(ERROR) from None

    def run_subcommand(self, argv: list[str]) -> int:
        try:
            self.command_manager.find_command(argv)
        except ValueError:
            try:
                # cliff leaves out a command that cannot be imported.
                for found in metadata.entry_points(
                    group=_COMMANDS, name=argv[0]
                ):
                    found.load()
                super().run_subcommand(argv)
            except ImportError as error:
                self.LOG.error(
                    '%s cannot be loaded; is safe_fixtures[cli] installed? %s',
                    argv[0],
                    error,
                    exc_info=self.options.debug,
                )
            return ERROR
        result = super().run_subcommand(argv)
        return ERROR if self._failed else int(result)

    def clean_up(
        self, cmd: command.Command, result: int, err: BaseException | None
    ) -> None:
        self._failed = isinstance(err, Exception)
        if self._failed and not isinstance(err, (OSError, ValueError)):
            self.LOG.error(
                'unexpected %s; run with --debug to see where it came from',
                type(err).__name__,
            )
