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

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / '_ext'))
# Sphinx has long imported what eventlet would have to patch.
os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'True')

extensions = [
    'sphinx.ext.autodoc',
    'openstackdocstheme',
    'oslo_config.sphinxconfiggen',
    'oslo_config.sphinxext',
    'safe_fixtures_permissions',
    'safe_fixtures_places',
    'safe_fixtures_tables',
]

project = 'safe_fixtures'
copyright = 'safe_fixtures contributors'

root_doc = 'index'
exclude_patterns = []
html_theme = 'openstackdocs'
openstackdocs_auto_name = False
openstackdocs_auto_version = False

# Writes _static/safe_fixtures.conf.sample below this directory.
config_generator_config_file = [
    ('config-generator.conf', '_static/safe_fixtures'),
]

autodoc_typehints = 'description'
autodoc_member_order = 'bysource'

# There are no inventories of these libraries that can be relied upon, so
# that -n cannot find their classes.
nitpick_ignore_regex = [
    ('py:.*', r'(fixtures|nova|oslo_config|oslo_utils|pycadf)(\..*)?'),
    ('py:.*', r'(testtools|unittest|wrapt|collections|contextlib)(\..*)?'),
    # What guards pass to each other.
    ('py:class', r'safe_fixtures\.core\.waivers\.Waivers'),
    ('py:class', r'types\.CodeType'),
    # Type variables.
    ('py:class', r'safe_fixtures\.[\w.]+\._T'),
]
