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

"""The command ``safe-fixtures``."""

import sys

__all__ = ['main']

# As in app, which cannot be imported if cliff is missing.
ERROR = 3


def main(argv: list[str] | None = None) -> int:
    """Run the command that the arguments name.

    Example::

        main(['rules', '-f', 'json'])

    :param argv: the arguments (list of str); default: those of the command
        line.
    :returns: the exit code of the command; 3 if the arguments or the
        environment are wrong.
    """
    try:
        from safe_fixtures.cli import app
    except ModuleNotFoundError as error:
        if (error.name or '').partition('.')[0] != 'cliff':
            raise
        print(
            'safe-fixtures: cliff is not installed; install '
            'safe_fixtures[cli]',
            file=sys.stderr,
        )
        return ERROR
    return app.SafeFixtures().run(sys.argv[1:] if argv is None else argv)


if __name__ == '__main__':
    sys.exit(main())
