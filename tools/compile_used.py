#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""Compile what tests import, by importing it.

    python tools/compile_used.py PACKAGE|MODULE...

All modules of a package are imported, if what they need is installed. The
tests write no bytecode: they write modules again, within a second and of the
same size, which Python would take for the old ones. So what their processes
import is compiled before, once. To compile all that is installed with Nova
takes several times as long, and most of it is never imported.
"""

import compileall
import importlib
import importlib.util
import os
import pkgutil
import sys

# Compiled as a whole: ours, which is imported from the source tree below, and
# what Nova imports in one of its modes only.
WHOLE = ('safe_fixtures', 'eventlet', 'oslo_service', 'cotyledon')


def import_all(name):
    """Import a module, and if it is a package, all modules in it."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        # Not every environment has Nova, or a browser.
        return
    for found in pkgutil.iter_modules(
        getattr(module, '__path__', ()), f'{name}.'
    ):
        import_all(found.name)


def main(*names):
    sys.dont_write_bytecode = False
    # Whatever the mode of the tests: most is imported with eventlet.
    os.environ['OS_NOVA_DISABLE_EVENTLET_PATCHING'] = 'False'
    for name in WHOLE:
        if spec := importlib.util.find_spec(name):
            for path in spec.submodule_search_locations:
                compileall.compile_dir(path, quiet=1)
    sys.path.insert(0, os.getcwd())
    for name in names:
        import_all(name)


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
