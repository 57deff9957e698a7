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

"""The command: ``python tools/live_cloud up``."""

import pathlib
import sys


def main():
    # A folder that is run is on the path itself; its modules are a package.
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[2])
    from tools.live_cloud import commands

    return commands.main()


if __name__ == '__main__':
    sys.exit(main())
