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

"""The option ``--alert``: limits of alerts."""

import argparse

from safe_fixtures import audit
from safe_fixtures import exceptions

__all__ = ['add_argument', 'of']


def add_argument(parser: argparse._ActionsContainer) -> None:
    """Add the option to a command."""
    limits = ', '.join(
        f'{name} ({value:g})' for name, value in audit.LIMITS.items()
    )
    parser.add_argument(
        '--alert',
        type=_limit,
        action='append',
        default=[],
        metavar='NAME=NUMBER',
        help=f'the limit of an alert: {limits}; can be repeated',
    )


def of(parsed_args: argparse.Namespace) -> audit.Alerts:
    """Return the alerts with the limits that the options name."""
    return audit.Alerts(**dict(parsed_args.alert))


def _limit(text: str) -> tuple[str, float]:
    name, _, value = text.partition('=')
    if name not in audit.LIMITS:
        raise argparse.ArgumentTypeError(
            f'{name!r} must be one of {", ".join(audit.LIMITS)}'
        )
    try:
        number = float(value)
        audit.Alerts(**{name: number})  # type: ignore[arg-type]
    except (ValueError, exceptions.ConfigurationError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return name, number
