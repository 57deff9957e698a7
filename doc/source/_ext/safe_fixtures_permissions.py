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

"""Tables of server permissions, by the defaults of the installed Nova.

``safe-fixtures-permissions``
    Who can do what to a server, and the policy rule of each operation.
``safe-fixtures-personas``
    The personas, their users, projects and roles.
"""

from sphinx.util import docutils as sphinx_docutils

from safe_fixtures.nova import permissions

_MARKS = {'allowed': 'yes', 'forbidden': '403', 'hidden': '404'}


def _table(rows):
    lines = ['.. list-table::', '   :header-rows: 1', '']
    for row in rows:
        for number, cell in enumerate(row):
            lines.append(f'   {"* -" if number == 0 else "  -"} {cell}')
    return '\n'.join(lines)


def _mark(source, persona, operation):
    expected = source.expected(persona, operation)
    if expected == 'hidden' and operation.kind in ('attribute', 'list'):
        return 'not there'
    return _MARKS[expected]


class PermissionsDirective(sphinx_docutils.SphinxDirective):
    def run(self):
        source = permissions.NovaPermissions()
        personas = source.personas()
        rows = [['Operation', *(persona.name for persona in personas), 'Rule']]
        rows += [
            [
                operation.name,
                *(_mark(source, persona, operation) for persona in personas),
                f'``{operation.rules[-1]}``',
            ]
            for operation in source.operations
        ]
        return self.parse_text_to_nodes(_table(rows))


class PersonasDirective(sphinx_docutils.SphinxDirective):
    def run(self):
        source = permissions.NovaPermissions()
        rows = [['Persona', 'User', 'Project', 'Roles']]
        rows += [
            [
                f'``{persona.name}``',
                'that of the server'
                if persona.user is None
                else f'``{persona.user}``',
                'that of the server' if persona.in_project else 'another',
                ', '.join(persona.roles),
            ]
            for persona in source.personas()
        ]
        return self.parse_text_to_nodes(_table(rows))


def setup(app):
    app.add_directive('safe-fixtures-permissions', PermissionsDirective)
    app.add_directive('safe-fixtures-personas', PersonasDirective)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
