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

"""The commands up, down and status."""

import argparse
import dataclasses
import signal
import sys

from tools.live_cloud import daemons
from tools.live_cloud import errors
from tools.live_cloud import processes
from tools.live_cloud import settings
from tools.live_cloud import startup

__all__ = ['main']

# As of a shell, for what a signal ended.
_BY_SIGNAL = 128
_CANNOT = 2


def main(arguments=None):
    """Run a command.

    :param arguments: list of str; default: those of this process.
    :returns: 0; 1 if "status" finds that not all is up; 2 if the cloud
        cannot be had, for the reason that is printed.
    """
    parsed = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        # So that what was started is ended.
        signal.signal(number, _interrupt)
    try:
        return parsed.function(settings.Layout(parsed.directory), parsed)
    except errors.CloudError as error:
        print(error, file=sys.stderr)
        return _CANNOT
    except KeyboardInterrupt:
        print('interrupted: nothing is left running', file=sys.stderr)
        return _BY_SIGNAL + signal.SIGINT


def _interrupt(number, frame):
    sys.exit(_BY_SIGNAL + number)


def _parser():
    parser = argparse.ArgumentParser(
        prog='python tools/live_cloud',
        description='Keystone, Placement and Nova on this machine.',
    )
    parser.add_argument('--directory', help='where all files are')
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    up = commands.add_parser('up', help='install what is missing, and start')
    up.set_defaults(function=_up)
    up.add_argument(
        '--fresh', action='store_true', help='make the databases anew'
    )
    up.add_argument(
        '--clients', action='store_true',
        help='make the environment "clients" for the tests too',
    )  # fmt: skip
    for field in dataclasses.fields(settings.Options):
        up.add_argument(
            f'--{field.name.replace("_", "-")}',
            type=int,
            default=field.default,
            metavar='N',
            help=f'default: {field.default}',
        )
    down = commands.add_parser('down', help='end everything that up started')
    down.set_defaults(function=_down)
    status = commands.add_parser('status', help='list the processes')
    status.set_defaults(function=_status)
    return parser


def _say(line):
    print(line, flush=True)


def _up(layout, parsed):
    names = [field.name for field in dataclasses.fields(settings.Options)]
    options = settings.Options(**{n: getattr(parsed, n) for n in names})
    startup.up(layout, options, _say, parsed.fresh, parsed.clients)
    _say(f'export OS_CLIENT_CONFIG_FILE={layout.clouds_yaml} OS_CLOUD=live')
    return 0


def _down(layout, parsed):
    names = startup.down(layout)
    _say(f'ended {", ".join(names)}' if names else 'nothing was running')
    return 0


def _status(layout, parsed):
    options = layout.load()
    running = processes.Processes(layout)
    total, are_up = 0, options is not None
    for name in daemons.NAMES:
        pid = running.pid(name) if options else None
        memory = running.memory(name) if pid else 0
        port = options.port(name) if options and name in settings.PORTS else ''
        state = 'down'
        if pid:
            state = 'frozen' if running.is_frozen(name) else 'up'
        are_up = are_up and state == 'up'
        total += memory
        _say(f'{name:10} {state:6} {pid or "":>8} {port:>6} {_mib(memory)}')
    _say(f'{"all":10} {"up" if are_up else "down":22} {_mib(total)}')
    return 0 if are_up else 1


def _mib(number):
    return f'{number / 2**20:6.0f} MiB'
