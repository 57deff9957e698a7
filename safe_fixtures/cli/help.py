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

"""The form of the help of a command."""

import argparse

__all__ = ['tidy']


def tidy(parser: argparse.ArgumentParser) -> None:
    """Show description and examples as they are written, and ours first.

    :param parser: of a command, with all its options. Those for the format
        of its table, which many commands of other projects have, go last.
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    groups = parser._action_groups
    groups.sort(key=lambda group: 'ormatter' in (group.title or ''))
