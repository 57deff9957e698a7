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

"""The servers and the policy of the Nova in this process."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import contextlib
import contextvars
import functools
import json
from typing import Any

from nova.api.openstack import api_version_request
from nova.api.openstack import wsgi
from nova.compute import api as compute_api
from nova import context as nova_context
from nova import exception
from nova import objects
from nova import policies
from nova import policy as nova_policy
from nova import rpc
from nova.tests.unit import fake_policy
from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_policy import opts as oslo_policy_opts
from oslo_policy import policy as oslo_policy
import requests
import webob.exc

from safe_fixtures import _restore
from safe_fixtures.nova import pins
from safe_fixtures import permissions

__all__ = ['NovaPermissions']

_SERVERS = 'os_compute_api:servers:'
_METADATA = 'os_compute_api:server-metadata:'
_TAGS = 'os_compute_api:os-server-tags:'
_OTHER_PROJECT = 'c0ffee00c0ffee00c0ffee00c0ffee00'
_KEY = 'safe-fixtures'
# The host name within the server is everybody's, since 2.90.
_EXTENDED = (
    'host',
    'hypervisor_hostname',
    'instance_name',
    'kernel_id',
    'launch_index',
    'ramdisk_id',
    'reservation_id',
    'root_device_name',
    'user_data',
)

OPERATIONS = (
    # The first one is what the others go by.
    permissions.Operation('show', 'GET /servers/{id}', (f'{_SERVERS}show',)),
    permissions.Operation(
        'list',
        'GET /servers',
        (f'{_SERVERS}index',),
        'list',
        sparing=True,
        finds_first=False,
    ),
    permissions.Operation(
        'list details',
        'GET /servers/detail',
        (f'{_SERVERS}detail',),
        'list',
        finds_first=False,
    ),
    permissions.Operation(
        'list all projects',
        'GET /servers?all_tenants=1',
        (f'{_SERVERS}index', f'{_SERVERS}index:get_all_tenants'),
        'list',
        sparing=True,
        finds_first=False,
        everywhere=True,
    ),
    permissions.Operation(
        'list details of all projects',
        'GET /servers/detail?all_tenants=1',
        (f'{_SERVERS}detail', f'{_SERVERS}detail:get_all_tenants'),
        'list',
        finds_first=False,
        everywhere=True,
    ),
    permissions.Operation(
        'see extended attributes',
        'OS-EXT-SRV-ATTR:* in what is shown',
        (f'{_SERVERS}show', 'os_compute_api:os-extended-server-attributes'),
        'attribute',
        keys=tuple(f'OS-EXT-SRV-ATTR:{key}' for key in _EXTENDED),
    ),
    permissions.Operation(
        'see the status of the host',
        'host_status in what is shown',
        (f'{_SERVERS}show', f'{_SERVERS}show:host_status'),
        'attribute',
        keys=('host_status',),
        since='2.16',
    ),
    permissions.Operation(
        'read metadata', 'GET /servers/{id}/metadata', (f'{_METADATA}index',)
    ),
    permissions.Operation(
        'read tags',
        'GET /servers/{id}/tags',
        (f'{_TAGS}index',),
        finds_first=False,
        since='2.26',
    ),
    permissions.Operation(
        'read diagnostics',
        'GET /servers/{id}/diagnostics',
        ('os_compute_api:os-server-diagnostics',),
        'write',
        sparing=True,
    ),
    permissions.Operation(
        'read console output',
        'POST /servers/{id}/action (os-getConsoleOutput)',
        ('os_compute_api:os-console-output',),
        'write',
        sparing=True,
    ),
    permissions.Operation(
        'open a console',
        'POST /servers/{id}/remote-consoles',
        ('os_compute_api:os-remote-consoles',),
        'write',
        sparing=True,
        since='2.6',
    ),
    permissions.Operation(
        'update',
        'PUT /servers/{id}',
        (f'{_SERVERS}update',),
        'write',
        sparing=True,
    ),
    permissions.Operation(
        'write metadata',
        'POST /servers/{id}/metadata',
        (f'{_METADATA}create',),
        'write',
        sparing=True,
    ),
    permissions.Operation(
        'write tags',
        'PUT /servers/{id}/tags/{tag}',
        (f'{_TAGS}update',),
        'write',
        sparing=True,
        finds_first=False,
        since='2.26',
    ),
    permissions.Operation(
        'migrate',
        'POST /servers/{id}/action (migrate)',
        ('os_compute_api:os-migrate-server:migrate',),
        'destroy',
        sparing=True,
    ),
    permissions.Operation(
        'delete',
        'DELETE /servers/{id}',
        (f'{_SERVERS}delete',),
        'destroy',
        sparing=True,
    ),
)

# By the name of the operation: method, path below the server, body.
_REQUESTS: dict[str, tuple[str, str, Any]] = {
    'show': ('GET', '/{id}', None),
    'list': ('GET', '', None),
    'list details': ('GET', '/detail', None),
    'list all projects': ('GET', '?all_tenants=1', None),
    'list details of all projects': ('GET', '/detail?all_tenants=1', None),
    'read metadata': ('GET', '/{id}/metadata', None),
    'read tags': ('GET', '/{id}/tags', None),
    'read diagnostics': ('GET', '/{id}/diagnostics', None),
    'read console output': (
        'POST',
        '/{id}/action',
        {'os-getConsoleOutput': {}},
    ),
    'open a console': (
        'POST',
        '/{id}/remote-consoles',
        {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}},
    ),
    'update': ('PUT', '/{id}', {'server': {'name': _KEY}}),
    'write metadata': ('POST', '/{id}/metadata', {'metadata': {_KEY: _KEY}}),
    'write tags': ('PUT', f'/{{id}}/tags/{_KEY}', None),
    'migrate': ('POST', '/{id}/action', {'migrate': None}),
    'delete': ('DELETE', '/{id}', None),
}

_MEMBER = ('member', 'reader')
PERSONAS = (
    permissions.Persona(
        'admin', ('admin', *_MEMBER), user='admin', is_admin=True
    ),
    permissions.Persona('owner member', _MEMBER),
    permissions.Persona('owner reader', ('reader',)),
    permissions.Persona('project member', _MEMBER, user='project-member'),
    permissions.Persona(
        'project manager', ('manager', *_MEMBER), user='project-manager'
    ),
    permissions.Persona('no role', ('other',), user='no-role'),
    permissions.Persona(
        'other project member', _MEMBER, user='other-member', in_project=False
    ),
    permissions.Persona(
        'other project reader',
        ('reader',),
        user='other-reader',
        in_project=False,
    ),
)


def _enforces_new_defaults() -> bool:
    """Whether deprecated rules are ignored, by default of the release.

    Placement's fixture sets the default of this option to false, in the
    whole process and for good.
    """
    for opt in oslo_policy_opts._options:
        if opt.name == _NEW_DEFAULTS_OPTION:
            where = getattr(opt, '_set_location', None)
            if where is None or where.location is cfg.Locations.opt_default:
                return bool(opt.default)
    # So it is in all releases that have a pin.
    return True


_NEW_DEFAULTS_OPTION = 'enforce_new_defaults'
_NEW_DEFAULTS = _enforces_new_defaults()
_MANAGER_RULE = 'project_manager_api'

# Where the API does, or has done, what policy has let past.
_DOES = (
    (
        compute_api.API,
        (
            'delete',
            'force_delete',
            'get_console_output',
            'get_diagnostics',
            'get_instance_diagnostics',
            'resize',
            'soft_delete',
            'update_instance',
            'update_instance_metadata',
        ),
    ),
    # Below that, in case the API has found another way.
    (objects.Tag, ('create',)),
    (objects.Instance, ('destroy', 'save')),
    # The consoles hold on to what they call.
    (rpc.ClientRouter, ('client',)),
)

# No file has that name.
_NO_FILE = '\0'

# What evaluates the rules, as it was imported.
_EVALUATORS = tuple(
    (owner, name, vars(owner)[name])
    for owner, name in (
        (nova_policy, 'authorize'),
        (nova_context.RequestContext, 'can'),
        (oslo_policy.Enforcer, 'authorize'),
        (oslo_policy.Enforcer, 'enforce'),
    )
)

# The prober whose request this thread serves.
_serving: contextvars.ContextVar['_Prober | None'] = contextvars.ContextVar(
    'safe_fixtures_permission_prober', default=None
)


class NovaPermissions:
    """See ``permissions.PermissionSource``."""

    operations = OPERATIONS
    # See nova.tests.fixtures.OSAPIFixture.
    admin_user = 'admin'

    @staticmethod
    def microversion(pin: str | None) -> str:
        wanted = api_version_request.APIVersionRequest(
            pin or pins.vetted_microversion()
        )
        # Tests stub this function.
        return min(wanted, api_version_request.max_api_version()).get_string()

    @staticmethod
    def personas() -> Sequence[permissions.Persona]:
        if _MANAGER_RULE in _defaults().registered_rules:
            return PERSONAS
        return [each for each in PERSONAS if 'manager' not in each.roles]

    @staticmethod
    def expected(
        persona: permissions.Persona, operation: permissions.Operation
    ) -> str:
        return _expected(persona, operation)

    @staticmethod
    def server(server_id: str) -> permissions.ServerRecord | None:
        instance = _instance(server_id)
        if instance is None:
            return None
        state = json.loads(
            json.dumps(instance.obj_to_primitive(), default=str)
        )
        data = state['nova_object.data']
        pairs = instance.keypairs.objects if instance.keypairs else ()
        return permissions.ServerRecord(
            server_id,
            instance.project_id,
            instance.user_id,
            frozenset(filter(None, [instance.host, instance.node])),
            tuple((pair.name, pair.user_id) for pair in pairs),
            data,
            instance.task_state is not None,
        )

    @staticmethod
    def remember_policy() -> Any:
        enforcer = nova_policy._ENFORCER
        return enforcer, dict(getattr(enforcer, 'rules', None) or {})

    @contextlib.contextmanager
    def probing(
        self,
        server: permissions.ServerRecord,
        endpoint: str,
        microversion: str,
        remembered: Any,
    ) -> Iterator['_Prober']:
        prober = _Prober(server, endpoint, microversion)
        with contextlib.ExitStack() as undo:
            undo.enter_context(_keeping_context())
            for owner, names in _DOES:
                for name in names:
                    undo.callback(_stop(owner, name))
            undo.callback(_watch_contexts())
            prober.set_aside = _set_aside(undo, remembered)
            undo.callback(prober.close)
            yield prober


class _Prober:
    """See ``permissions.Prober``."""

    def __init__(
        self,
        server: permissions.ServerRecord,
        endpoint: str,
        microversion: str,
    ) -> None:
        self._server = server
        self._endpoint = endpoint
        self._microversion = microversion
        self._session = requests.Session()
        # It would ask the environment for proxies, each time.
        self._session.trust_env = False
        self.requests = 0
        self.set_aside: Sequence[str] = ()
        #: The context of the last request, and what it came to.
        self.context: Any = None
        self.stopped_at: str | None = None
        # By the name of the persona.
        self._contexts: dict[str, Any] = {}
        self._shown: dict[str, str] = {}
        # By the name of the operation.
        self._first: dict[str, permissions.Persona] = {}

    def close(self) -> None:
        self._session.close()

    def attempt(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> permissions.Attempt:
        if operation.sparing:
            if self._allows(persona, operation) and not self._is_first(
                persona, operation
            ):
                return permissions.Attempt('allowed', 'the policy engine')
        if operation.kind == 'list':
            return self._list(persona, operation)
        attempt = self._request(persona, operation)
        if operation.name == 'show':
            self._contexts[persona.name] = self.context
            self._shown[persona.name] = attempt.got
        return attempt

    def _is_first(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> bool:
        """Whether a persona shows for the others how the API does it."""
        if operation.kind == 'destroy' or persona.is_admin:
            return False
        return self._first.setdefault(operation.name, persona) is persona

    def _allows(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> bool:
        """Whether policy, as it is in force, lets a persona do something."""
        context = self._contexts.get(persona.name)
        if context is None or self._shown[persona.name] == 'hidden':
            return False
        target = None
        if operation.kind != 'list':
            target = {
                'project_id': self._server.project_id,
                'user_id': self._server.user_id,
            }
        try:
            return all(
                context.can(rule, target, fatal=False)
                for rule in operation.rules
            )
        except Exception:
            # The request will show what is wrong with it.
            return False

    def _send(
        self,
        persona: permissions.Persona,
        method: str,
        url: str,
        body: Any,
    ) -> requests.Response:
        server = self._server
        user = server.user_id if persona.user is None else persona.user
        project = server.project_id if persona.in_project else _OTHER_PROJECT
        self.context = self.stopped_at = None
        self.requests += 1
        token = _serving.set(self)
        try:
            return self._session.request(
                method,
                url,
                data=None if body is None else json.dumps(body),
                headers={
                    'Content-Type': 'application/json',
                    'OpenStack-API-Version': f'compute {self._microversion}',
                    'X-OpenStack-Nova-API-Version': self._microversion,
                    'X-Auth-User': user,
                    'X-User-Id': user,
                    'X-Auth-Project-Id': project,
                    'X-Roles': ','.join(persona.roles),
                },
            )
        finally:
            _serving.reset(token)

    def _request(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> permissions.Attempt:
        method, path, body = _REQUESTS[operation.name]
        path = path.format(id=self._server.server_id)
        url = f'{self._endpoint}/v2.1/servers{path}'
        response = self._send(persona, method, url, body)
        status = response.status_code
        if self.stopped_at is not None:
            return permissions.Attempt(
                'allowed', f'it came as far as {self.stopped_at}'
            )
        shown = None
        if operation.name == 'show' and status == 200:
            shown = response.json()['server']
        return permissions.Attempt(
            _outcome(status), f'HTTP {status}', shown, response.text
        )

    def _list(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> permissions.Attempt:
        method, path, body = _REQUESTS[operation.name]
        url: str | None = f'{self._endpoint}/v2.1/servers{path}'
        while url is not None:
            response = self._send(persona, method, url, body)
            status = response.status_code
            if status != 200:
                return permissions.Attempt(_outcome(status), f'HTTP {status}')
            listed = response.json()
            for server in listed['servers']:
                if server['id'] == self._server.server_id:
                    return permissions.Attempt(
                        'allowed', 'it is in the list', server, response.text
                    )
            links = listed.get('servers_links', ())
            url = next(
                (each['href'] for each in links if each['rel'] == 'next'),
                None,
            )
        return permissions.Attempt('hidden', 'it is not in the list')

    def cause(
        self, persona: permissions.Persona, operation: permissions.Operation
    ) -> tuple[str, str]:
        faults = dict(_rule_faults(operation))
        blamed = next(
            (rule for rule in operation.rules if rule in faults),
            operation.rules[-1],
        )
        causes = [*faults.values(), *_engine_faults()]
        causes += _context_faults(self._contexts.get(persona.name), persona)
        return blamed, ', '.join(causes) or (
            'the rule is as by default, and so is the context: the API is not'
        )


def _outcome(status: int) -> str:
    if status == 403:
        return 'forbidden'
    if status == 404:
        return 'hidden'
    # What Nova cannot do, or not now, it says once policy has let it past.
    if status < 400 or status in (409, 501):
        return 'allowed'
    return 'error'


def _context_faults(
    context: Any, persona: permissions.Persona
) -> Iterator[str]:
    if context is None:
        yield 'the request did not come as far as a controller'
        return
    if bool(context.is_admin) != persona.is_admin:
        yield f'is_admin of the context is {context.is_admin}'
    if set(context.roles) != set(persona.roles):
        yield f'the roles of the context are {",".join(context.roles)}'


def _engine_faults() -> Iterator[str]:
    """Yield how what evaluates the rules is not what it should be."""
    enforcer = nova_policy._ENFORCER
    if type(enforcer) is not oslo_policy.Enforcer:
        yield f'the policy engine is a {type(enforcer).__name__}'
    elif vars(enforcer).keys() & {'authorize', 'enforce'}:
        yield 'the policy engine is patched'
    for owner, name, original in _EVALUATORS:
        if vars(owner)[name] is not original:
            yield f'{owner.__name__}.{name} is patched'


def _rule_faults(
    operation: permissions.Operation,
) -> Iterator[tuple[str, str]]:
    """Yield rules in force, and how they differ from the defaults."""
    rules = getattr(nova_policy._ENFORCER, 'rules', None)
    if not isinstance(rules, Mapping):
        return
    defaults = _defaults().rules
    for name in _closure(operation.rules, rules):
        default, now = defaults.get(name), rules.get(name)
        if str(default) != str(now):
            yield (
                name,
                f'{name} is {_quoted(now)} and by default {_quoted(default)}',
            )


def _quoted(check: Any) -> str:
    return 'gone' if check is None else f'"{check}"'


# The defaults of the release.


@functools.cache
def _defaults(
    new_defaults: bool = _NEW_DEFAULTS,
) -> oslo_policy.Enforcer:
    """Return an engine with the rules that decide, as they are by default.

    :param new_defaults: whether it ignores deprecated rules.
    """
    conf = cfg.ConfigOpts()
    conf([], project='nova', default_config_files=[], default_config_dirs=[])
    enforcer = oslo_policy.Enforcer(conf, policy_file=_NO_FILE)
    conf.set_override('policy_dirs', [], group='oslo_policy')
    conf.set_override(_NEW_DEFAULTS_OPTION, new_defaults, group='oslo_policy')
    enforcer.suppress_deprecation_warnings = True
    enforcer.suppress_default_change_warnings = True
    registered = {rule.name: rule for rule in policies.list_rules()}
    checks = {name: rule.check for name, rule in registered.items()}
    enforcer.register_defaults(
        [
            registered[name]
            for name in _closure(
                [
                    *(rule for each in OPERATIONS for rule in each.rules),
                    *(rule for rule in registered if rule == _MANAGER_RULE),
                ],
                checks,
            )
        ]
    )
    enforcer.load_rules()
    return enforcer


def _closure(names: Iterable[str], rules: Mapping[str, Any]) -> Iterator[str]:
    """Yield rules, and those that they refer to."""
    waiting: list[str] = list(names)
    seen = set()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        yield name
        waiting += _references(rules.get(name))


def _references(check: Any) -> Iterator[str]:
    if isinstance(check, oslo_policy.RuleCheck):
        yield check.match
    for part in getattr(check, 'rules', None) or ():
        yield from _references(part)
    if hasattr(check, 'rule'):
        yield from _references(check.rule)


@functools.cache
def _expected(
    persona: permissions.Persona, operation: permissions.Operation
) -> str:
    enforcer = _defaults()
    owns = 'owner'
    project = 'project' if persona.in_project else 'other'
    creds = {
        'user_id': persona.user or owns,
        'project_id': project,
        'roles': list(persona.roles),
        'is_admin': persona.is_admin,
    }
    own = {'project_id': project, 'user_id': creds['user_id']}
    target = (
        own
        if operation.kind == 'list'
        else {'project_id': 'project', 'user_id': owns}
    )
    is_there = persona.in_project or persona.is_admin
    if operation.finds_first and not is_there:
        return 'hidden'
    if not all(
        enforcer.enforce(rule, target, dict(creds)) for rule in operation.rules
    ):
        return 'hidden' if operation.kind == 'attribute' else 'forbidden'
    if operation.kind == 'list' and not (
        operation.everywhere or persona.in_project
    ):
        return 'hidden'
    return 'allowed'


# What is patched while there is a prober.


def _set_aside(undo: contextlib.ExitStack, remembered: Any) -> list[str]:
    """Give rules that only the tests' own policy opens their default.

    Nova's test bases write a policy file that lets everybody do nearly
    everything. A rule that is as they wrote it is no weakness that a test
    has made.
    """
    if nova_policy._ENFORCER is None:
        # As the first request would do.
        nova_policy.init()
    enforcer = nova_policy._ENFORCER
    if type(enforcer) is not oslo_policy.Enforcer:
        return []
    owner, before = remembered
    written = _written(enforcer)
    aside = []
    rules = enforcer.rules
    for name in sorted(_defaults().registered_rules):
        check, default = rules.get(name), _defaults().rules[name]
        text = str(check)
        if (
            check is not None
            and text != str(default)
            and text in (written.get(name), _legacy(enforcer, name))
            and (owner is not enforcer or before.get(name) is check)
        ):
            undo.callback(_put_back, rules, name, check, default)
            rules[name] = default
            aside.append(name)
    return aside


def _put_back(rules: Any, name: str, check: Any, default: Any) -> None:
    # Somebody else may have loaded the rules anew meanwhile.
    if rules.get(name) is default:
        rules[name] = check


def _written(enforcer: oslo_policy.Enforcer) -> dict[str, str]:
    """Return the rules that are as the policy of the tests opens them."""
    opened = _opened()
    written = {
        name: str(rule.check)
        for name, rule in enforcer.file_rules.items()
        if opened.get(name) == rule.check_str
    }
    # A file of somebody else can have some of them, too.
    return written if len(written) * 2 > len(opened) else {}


def _legacy(enforcer: oslo_policy.Enforcer, name: str) -> str | None:
    """Return what a rule is where deprecated ones are not ignored.

    None where that was asked for, and not just Placement's default.
    """
    info = enforcer.conf._get_opt_info(_NEW_DEFAULTS_OPTION, 'oslo_policy')
    if 'override' in info or 'default' in info:
        return None
    return str(_defaults(False).rules[name])


@functools.cache
def _opened() -> dict[str, str]:
    """Return the rules that Nova's test bases open."""
    opened: dict[str, str] = json.loads(fake_policy.policy_data)
    return opened


def _stop(owner: Any, name: str) -> Callable[[], None]:
    """Stop what the requests of a prober would do there."""
    raw = vars(owner).get(name, getattr(owner, name))
    label = f'{owner.__name__}.{name}'

    @functools.wraps(getattr(owner, name))
    def stopping(self: Any, *args: Any, **kwargs: Any) -> Any:
        prober = _serving.get()
        if prober is None:
            if hasattr(type(raw), '__get__'):
                return raw.__get__(self, owner)(*args, **kwargs)
            return raw(*args, **kwargs)
        prober.stopped_at = prober.stopped_at or label
        # All of these operations may answer so.
        raise webob.exc.HTTPConflict(explanation=f'stopped at {label}')

    return _restore.patch_attribute(owner, name, stopping)


def _watch_contexts() -> Callable[[], None]:
    """Tell a prober of the context that its request was given."""
    original = wsgi.Resource.dispatch

    @functools.wraps(original)
    def dispatch(
        self: Any, method: Any, request: Any, *args: Any, **kwargs: Any
    ) -> Any:
        prober = _serving.get()
        if prober is not None:
            prober.context = request.environ.get('nova.context')
        return original(self, method, request, *args, **kwargs)

    return _restore.patch_attribute(wsgi.Resource, 'dispatch', dispatch)


@contextlib.contextmanager
def _keeping_context() -> Iterator[None]:
    """Let the current context of this thread be what it was before."""
    previous = oslo_context.get_current()
    try:
        yield
    finally:
        if previous is not None:
            previous.update_store()
        elif oslo_context.get_current() is not None:
            del oslo_context._request_store.context


@_keeping_context()
def _instance(server_id: str) -> Any:
    context = nova_context.RequestContext(is_admin=True, overwrite=False)
    try:
        mapping = objects.InstanceMapping.get_by_instance_uuid(
            context, server_id
        )
        if mapping.cell_mapping is None:
            return None
        with nova_context.target_cell(context, mapping.cell_mapping) as cell:
            return objects.Instance.get_by_uuid(
                cell,
                server_id,
                expected_attrs=[
                    'metadata',
                    'system_metadata',
                    'tags',
                    'keypairs',
                ],
            )
    except (exception.InstanceMappingNotFound, exception.InstanceNotFound):
        return None
