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

"""The command that restores what runs that were killed left changed."""

import argparse
from collections.abc import Callable, Iterable, Sequence
import functools
from typing import Any

from cliff import lister

from safe_fixtures.cli import app
from safe_fixtures.cli import help
from safe_fixtures.cli.runner import colours
from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures.guards.services import clients
from safe_fixtures.guards.services import journal
from safe_fixtures.guards.services.journal import reading
from safe_fixtures.guards.services import retry
from safe_fixtures import redaction
from safe_fixtures.runtime import printable

__all__ = ['Restore']

# Something is left changed; a journal was refused; nothing could be tried.
_LEFT, _REFUSED, _IMPOSSIBLE = 1, 2, app.ERROR
_GOOD = ('done', 'restored', 'forced')
_EPILOG = """\
exit codes:
  0  everything is as it was before
  1  something is left changed: a conflict, or a restore that failed; with
     --dry-run, something would be restored
  2  a journal was refused: its process may live, or it is of another cloud
  3  nothing could be tried: no such journal, no authentication, no client

examples:
  See what killed runs have left changed:
    safe-fixtures restore --os-cloud staging --dry-run
  Restore it:
    safe-fixtures restore --os-cloud staging
"""


class _Impossible(Exception):
    """Nothing can be tried; the text says why."""


class Restore(lister.Lister):
    """Restore services of a cloud that killed runs have left changed.

    Each run at a live cloud keeps a journal of what it owes. A service that
    is still as the run made it is put back and read again. One that somebody
    else has changed since is a conflict, and is left alone. The command can
    be repeated. It needs openstacksdk: pip install "safe_fixtures[cloud]"
    """

    _epilog = _EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'journals',
            nargs='*',
            metavar='JOURNAL',
            help='journals to replay (default: those in [safe_fixtures] '
            'journal_dir whose run has ended)',
        )
        parser.add_argument(
            '--os-cloud',
            metavar='NAME',
            help='the cloud, as in clouds.yaml (default: OS_CLOUD, else the '
            'other OS_* variables)',
        )
        parser.add_argument(
            '--dry-run',
            action='store_true',
            help='say what would be done, and change nothing',
        )
        parser.add_argument(
            '--force',
            action='store_true',
            help='restore conflicts, too, and journals of which nobody here '
            'knows whether their process lives; never one that lives, or of '
            'another cloud',
        )
        help.tidy(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        self._rows: list[journal.Row] = []
        # What each journal that was not replayed has to say.
        self._refused: list[str] = []
        self._failed: list[str] = []
        try:
            settings = conf.load()
            records = _records(parsed_args.journals, settings.journals)
            if records:
                self._replay_all(records, parsed_args, settings)
        except (_Impossible, exceptions.ConfigurationError) as error:
            _say(str(error))
            return _IMPOSSIBLE
        super().run(parsed_args)
        for each in self._refused + self._failed:
            _say(each)
        if self._failed and not self._rows:
            return _IMPOSSIBLE
        if self._refused:
            return _REFUSED
        is_good = all(row.outcome in _GOOD for row in self._rows)
        return 0 if is_good and not self._failed else _LEFT

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        return (
            ('Service', 'Wanted', 'Found', 'Outcome', 'Why'),
            [
                tuple(
                    printable.line(str(value))
                    for value in (
                        row.service,
                        row.wanted,
                        row.found or 'unknown',
                        row.outcome,
                        row.why,
                    )
                )
                for row in self._rows
            ],
        )

    def _replay_all(
        self,
        records: list[journal.Record],
        arguments: argparse.Namespace,
        settings: conf.Settings,
    ) -> None:
        api = _api_of(arguments.os_cloud)
        patience = retry.Patience(api, settings.restore_deadline)
        try:
            patience.keep_trying('looking for the API', api.endpoint)
        except (clients.ApiError, OSError) as error:
            raise _Impossible(str(error)) from None
        for record in records:
            why = journal.why_refused(record, api, arguments.force)
            if why is not None:
                self._refused.append(f'{record.path} is refused: {why}')
                continue
            replay = functools.partial(
                journal.replay,
                record,
                api,
                dry_run=arguments.dry_run,
                force=arguments.force,
                timeout=settings.restore_timeout,
                directory=settings.journals,
                lock_timeout=settings.lock_timeout,
            )
            try:
                self._rows += _repeated(replay, patience)
            except (clients.ApiError, OSError) as error:
                # The others can be replayed all the same.
                self._failed.append(f'{record.path}: {error}')


def _repeated(
    replay: Callable[[], list[journal.Row]], patience: retry.Patience
) -> list[journal.Row]:
    """Replay a journal; repeat that while a failure may pass.

    :returns: the last row of each service (list of Row).
    :raises: ApiError, OSError: as the first attempt raised it.
    """
    rows: dict[journal.Service, journal.Row] = {}

    def attempt() -> None:
        # What an earlier attempt has restored is not in it.
        found = replay()
        rows.update({row.service: row for row in found})
        errors = [row.error for row in found if row.error is not None]
        for error in filter(patience.may_pass, errors):
            raise error

    try:
        patience.keep_trying('restoring services', attempt)
    except (clients.ApiError, OSError):
        # Each row has its own.
        if not rows:
            raise
    return list(rows.values())


def _records(paths: list[str], directory: str | None) -> list[journal.Record]:
    """Return the journals that are named; else all whose owner may be dead.

    The newest goes first: it is restored to what the next one has made.
    """
    if paths:
        try:
            found = [journal.read(path) for path in paths]
        except OSError as error:
            raise _Impossible(
                f'{error.filename}: {error.strerror or error}'
            ) from None
    elif directory is not None:
        found = [
            record
            for record in journal.left(directory)
            if (record.owner is None or not record.owner.is_alive())
            and (record.debts or record.has_holes)
        ]
    else:
        found = []
    return sorted(found, key=reading.newest, reverse=True)


def _say(text: str) -> None:
    # What a library raises may hold what a user gave it.
    text = redaction.Redactor().redact(text)
    colours.say(printable.line(f'safe-fixtures restore: {text}'))


def _api_of(cloud: str | None) -> clients.Api:
    """Return the compute API of a cloud."""
    try:
        import openstack
    except ImportError:
        raise _Impossible(
            'it needs openstacksdk: pip install "safe_fixtures[cloud]"'
        ) from None
    try:
        connection = openstack.connect(cloud=cloud)
    except Exception as error:
        raise _Impossible(f'{type(error).__name__}: {error}') from None
    api = clients.adapt(connection)
    if api is None:
        raise _Impossible('this openstacksdk is not known')
    return api
