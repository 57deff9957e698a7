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

"""Which credentials are known, and what becomes of them."""

import contextlib
import errno
import io
import os
import pathlib
import socket
import sys
import tempfile

import fixtures
import testtools

import safe_fixtures
from safe_fixtures import conf
from safe_fixtures.guards.isolation import credentials
from tests.support import base
from tests.support import host_files
from tests.support import inner
from tests.support import settings

AUTHENTICATE = """
    OS_USERNAME OS_USER_ID OS_USER_DOMAIN_ID OS_USER_DOMAIN_NAME OS_PASSWORD
    OS_TOKEN OS_AUTH_TOKEN OS_AUTH_URL OS_AUTH_TYPE OS_AUTH_PLUGIN OS_CLOUD
    OS_PROJECT_ID OS_PROJECT_NAME OS_PROJECT_DOMAIN_ID OS_PROJECT_DOMAIN_NAME
    OS_TENANT_ID OS_TENANT_NAME OS_APPLICATION_CREDENTIAL_ID
    OS_APPLICATION_CREDENTIAL_NAME OS_APPLICATION_CREDENTIAL_SECRET
    OS_SERVICE_TOKEN OS_TRUST_ID OS_CERT OS_KEY OS_PASSCODE OS_ACCESS_TOKEN
    OS_ACCESS_TOKEN_ENDPOINT OS_CLIENT_ID OS_CLIENT_SECRET OS_SYSTEM_SCOPE
    OS_CLIENT_CONFIG_FILE OS_CLIENT_SECURE_FILE OS_IDENTITY_PROVIDER
    OS_DEFAULT_DOMAIN_ID OS_DOMAIN_NAME NOVA_USERNAME NOVA_PASSWORD
    NOVA_API_KEY SSH_AUTH_SOCK SSH_AGENT_PID KUBECONFIG AWS_ACCESS_KEY_ID
    AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_PROFILE
    AWS_SHARED_CREDENTIALS_FILE AWS_CONFIG_FILE AWS_WEB_IDENTITY_TOKEN_FILE
    AWS_ROLE_ARN AWS_CONTAINER_CREDENTIALS_FULL_URI
    GOOGLE_APPLICATION_CREDENTIALS GOOGLE_CREDENTIALS GOOGLE_API_KEY
    CLOUDSDK_CONFIG CLOUDSDK_AUTH_ACCESS_TOKEN_FILE AZURE_CLIENT_SECRET
    AZURE_CLIENT_ID AZURE_TENANT_ID AZURE_USERNAME AZURE_PASSWORD
    AZURE_CLIENT_CERTIFICATE_PATH AZURE_STORAGE_KEY AZURE_STORAGE_ACCOUNT_KEY
    AZURE_STORAGE_CONNECTION_STRING ARM_CLIENT_ID ARM_CLIENT_SECRET
    ARM_TENANT_ID ARM_SUBSCRIPTION_ID
""".split()
DO_NOT = """
    OS_DEFAULT__DEBUG OS_DEFAULT__TRANSPORT_URL OS_PROJECT_X__NAME
    OS_KEYSTONE_AUTHTOKEN__PASSWORD OS_OAUTH2_X__Y OS_NOVA_DISABLE_X
    OS_PLACEMENT_CONFIG_DIR OS_PLACEMENT_DATABASE__CONNECTION OS_TEST_PATH
    OS_TEST_TIMEOUT OS_LOG_CAPTURE OS_STDOUT_CAPTURE OS_STDERR_CAPTURE
    OS_DEBUG OS_SAFE_FIXTURES__MODE OS_REGION_NAME OS_INTERFACE
    OS_IDENTITY_API_VERSION OS_COMPUTE_API_VERSION OS_CACERT OS_PASSWORD_X
    XOS_PASSWORD os_password OS_KEYS AWS_REGION AWS_DEFAULT_REGION
    SSH_CONNECTION HOME PATH USER AZURE_STORAGE_ACCOUNT GOOGLE_CLOUD_PROJECT
""".split()
# Where each is looked for, under the home directory.
FILES = """
    .config/openstack/clouds.yaml .config/openstack/clouds.yml
    .config/openstack/clouds.json .config/openstack/secure.yaml
    .config/openstack/secure.yml .config/openstack/secure.json
    .aws/credentials .aws/config .kube/config .boto
    .config/gcloud/application_default_credentials.json
    .config/gcloud/credentials.db .config/gcloud/access_tokens.db
    .config/gcloud/legacy_credentials/me/adc.json
    .azure/accessTokens.json .azure/msal_token_cache.json
    .azure/msal_token_cache.bin .azure/service_principal_entries.json
    .ssh/id_rsa .ssh/id_ed25519
""".split()
OTHERS = """
    .config/openstack/clouds-public.yaml .config/openstack/x.yaml
    .ssh/id_rsa.pub .ssh/known_hosts .ssh/config .aws/other .bashrc
    project/clouds.yaml project/config project/credentials
""".split()


class TestVariables(base.TestCase):
    def test_by_name(self):
        environ = dict.fromkeys(AUTHENTICATE + DO_NOT, 'x')
        self.assertEqual(sorted(AUTHENTICATE), credentials.variables(environ))

    def test_empty_is_there(self):
        self.assertEqual(
            ['OS_TOKEN'], credentials.variables({'OS_TOKEN': '', 'X': 'y'})
        )


class Failing(dict):
    """An environment that some names cannot be taken out of, or set in."""

    def __init__(self, *args, taken=(), given=()):
        super().__init__(*args)
        self.taken = taken
        self.given = given

    def __delitem__(self, name):
        if name in self.taken:
            raise OSError(errno.EPERM, name)
        super().__delitem__(name)

    def __setitem__(self, name, value):
        if name in self.given:
            raise OSError(errno.EPERM, name)
        super().__setitem__(name, value)


class TestHide(base.TestCase):
    def setUp(self):
        super().setUp()
        self.before = {
            'OS_PASSWORD': 's3cret', 'OS_TOKEN': 't0ken', 'KUBECONFIG': '',
            'PATH': '/bin', 'OS_DEBUG': '1',
        }  # fmt: skip
        self.environ = dict(self.before)

    def test_out_of_reach_and_back(self):
        names, restore = credentials.hide(self.environ)
        self.assertEqual(['KUBECONFIG', 'OS_PASSWORD', 'OS_TOKEN'], names)
        self.assertEqual({'PATH': '/bin', 'OS_DEBUG': '1'}, self.environ)
        restore()
        self.assertEqual(self.before, self.environ)

    def test_of_the_process(self):
        for name, value in self.before.items():
            self.useFixture(fixtures.EnvironmentVariable(name, value))
        before = dict(os.environ)
        names, restore = credentials.hide(os.environ)
        try:
            self.assertIn('OS_PASSWORD', names)
            self.assertNotIn('OS_PASSWORD', os.environ)
            self.assertIsNone(os.getenv('OS_PASSWORD'))
        finally:
            restore()
        self.assertEqual(before, dict(os.environ))

    def test_whatever_the_test_does(self):
        _, restore = credentials.hide(self.environ)
        self.environ['OS_PASSWORD'] = 'mine'
        self.environ['OS_CLOUD'] = 'mine too'
        del self.environ['PATH']
        restore()
        del self.before['PATH']
        self.assertEqual(dict(self.before, OS_CLOUD='mine too'), self.environ)

    def test_nested(self):
        _, outer = credentials.hide(self.environ)
        self.environ['OS_TOKEN'] = 'mine'
        names, inner = credentials.hide(self.environ)
        self.assertEqual(['OS_TOKEN'], names)
        self.assertNotIn('OS_TOKEN', self.environ)
        inner()
        self.assertEqual('mine', self.environ['OS_TOKEN'])
        outer()
        self.assertEqual(self.before, self.environ)
        self.assertEqual([], credentials._hidden)

    def test_again(self):
        for _ in range(2):
            _, restore = credentials.hide(self.environ)
            restore()
            self.assertEqual(self.before, self.environ)
            self.environ['OS_TOKEN'] = 'later'
            restore()
            self.assertEqual('later', self.environ.pop('OS_TOKEN'))
            self.environ['OS_TOKEN'] = self.before['OS_TOKEN']

    def test_nothing_to_hide(self):
        names, restore = credentials.hide({'PATH': '/bin'})
        self.assertEqual([], names)
        restore()
        self.assertEqual([], credentials._hidden)

    def test_failing_half_way(self):
        environ = Failing(self.before, taken=['OS_TOKEN'])
        self.assertRaises(OSError, credentials.hide, environ)
        self.assertEqual(self.before, dict(environ))
        self.assertEqual([], credentials._hidden)

    def test_failing_to_give_back(self):
        environ = Failing(self.before, given=['OS_PASSWORD'])
        _, restore = credentials.hide(environ)
        error = self.assertRaises(OSError, restore)
        self.assertEqual('OS_PASSWORD', error.strerror)
        del self.before['OS_PASSWORD']
        self.assertEqual(self.before, dict(environ))
        self.assertEqual([], credentials._hidden)


class TestCase(base.TestCase):
    """With a home directory that is not the test's."""

    def setUp(self):
        super().setUp()
        # Whoever runs these tests may have noted what is used here.
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.boundary.temporary._made', set()
            )
        )
        self.home = os.path.realpath(self.useFixture(fixtures.TempDir()).path)
        for name in FILES + OTHERS:
            self.make(name)
        self.useFixture(fixtures.NestedTempfile())
        self.own = os.path.realpath(tempfile.gettempdir())

    def make(self, name, parent=None):
        path = pathlib.Path(parent or self.home, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('s3cret')
        return str(path)


class TestFiles(TestCase):
    def setUp(self):
        super().setUp()
        self.environ = {'HOME': self.home}
        self.check = credentials.CredentialFiles(self.environ)

    def found(self, act, *args):
        return host_files.found_in(self.check, act, *args)

    def use(self, **environ):
        self.check = credentials.CredentialFiles(dict(self.environ, **environ))

    def assertFound(self, target, act, *args):
        (finding,) = self.found(act, *args)
        self.assertEqual('SF404', finding.code)
        self.assertEqual(target, finding.target)
        self.assertIn(target, finding.message)
        self.assertNotIn('s3cret', finding.message)
        self.assertIsInstance(finding.error, FileNotFoundError)
        self.assertEqual(errno.ENOENT, finding.error.errno)
        self.assertEqual(os.strerror(errno.ENOENT), finding.error.strerror)
        return finding

    def assertFree(self, act, *args):
        self.assertEqual([], self.found(act, *args))

    def test_known_places(self):
        for name in FILES:
            with self.subTest(name):
                path = f'{self.home}/{name}'
                finding = self.assertFound(path, read, path)
                self.assertEqual(f'open of {path}', finding.message)
                self.assertEqual(path, finding.error.filename)

    def test_other_files(self):
        for name in OTHERS:
            with self.subTest(name):
                self.assertFree(read, f'{self.home}/{name}')

    def test_ways_to_open(self):
        path = self.home + '/.aws/credentials'
        for act in (
            lambda: os.close(os.open(path, os.O_RDONLY)),
            lambda: open(os.fsencode(path)).close(),
            lambda: open(pathlib.Path(path)).close(),
            lambda: io.FileIO(pathlib.Path(path)).close(),
            lambda: pathlib.Path(path).read_bytes(),
            lambda: open(path, 'a').close(),
            lambda: open(path, 'r+').close(),
            lambda: io.open_code(path).close(),
        ):
            with self.subTest(act=act):
                self.assertFound(path, act)

    def test_relative(self):
        path = self.home + '/.aws/credentials'
        with contextlib.chdir(self.home + '/.aws'):
            self.assertFound(path, read, 'credentials')
            self.assertFound(path, read, '../.aws/./credentials')
        with host_files.directory(self.home + '/.aws') as aws:
            self.assertFound(
                path,
                lambda: os.close(
                    os.open('credentials', os.O_RDONLY, dir_fd=aws)
                ),
            )

    def test_links(self):
        path = self.home + '/.kube/config'
        os.symlink(path, self.own + '/mine')
        os.link(path, self.own + '/hard')
        os.symlink(self.home, self.own + '/home')
        self.assertFound(path, read, self.own + '/mine')
        self.assertFound(path, read, self.own + '/hard')
        self.assertFound(path, read, self.own + '/home/.kube/config')

    def test_descriptor_is_open_already(self):
        with open(self.home + '/.kube/config') as file:
            self.assertFree(lambda: open(file.fileno(), closefd=False).close())

    def test_not_there(self):
        path = self.home + '/.aws/config'
        os.remove(path)
        self.assertFree(read, path)
        self.assertFree(read, self.home + '/\0')
        self.make('.aws/config')
        self.assertFound(path, read, path)

    def test_replaced(self):
        path = self.home + '/.kube/config'
        self.make('.kube/new')
        os.replace(self.home + '/.kube/new', path)
        self.assertFound(path, read, path)

    def test_number_that_another_file_has_by_now(self):
        # As a new file may get the number of one that is gone.
        other = self.home + '/other'
        os.rename(self.home + '/.aws/credentials', other)
        self.assertFree(read, other)
        self.use()
        self.assertFree(read, other)

    def test_home_that_the_test_moves_to(self):
        self.useFixture(fixtures.EnvironmentVariable('HOME', self.own))
        path = self.home + '/.aws/config'
        self.assertFound(path, read, path)
        own = self.make('.aws/config', self.own)
        self.assertFree(read, own)
        self.use(HOME=self.own)
        self.assertFree(read, own)

    def test_current_directory(self):
        project = self.home + '/project'
        self.assertFree(read, project + '/clouds.yaml')
        with contextlib.chdir(project):
            self.assertFound(project + '/clouds.yaml', read, 'clouds.yaml')
            self.assertFree(read, 'config')
            self.use()
        # That at the beginning, too: the SDK looks at where it was imported.
        self.assertFound(
            project + '/clouds.yaml', read, project + '/clouds.yaml'
        )
        self.make('secure.yaml', self.own)
        with contextlib.chdir(self.own):
            self.assertFree(read, 'secure.yaml')

    def test_moved_configuration(self):
        for variable, name in (
            ('XDG_CONFIG_HOME', 'openstack/clouds.yaml'),
            ('XDG_CONFIG_HOME', 'gcloud/credentials.db'),
            ('XDG_CONFIG_DIRS', 'openstack/secure.json'),
            ('CLOUDSDK_CONFIG', 'application_default_credentials.json'),
            ('AZURE_CONFIG_DIR', 'msal_token_cache.json'),
            ('SNAP_REAL_HOME', '.config/openstack/clouds.yaml'),
        ):
            with self.subTest(variable):
                path = self.make(f'{variable}/{name}')
                self.use()
                self.assertFree(read, path)
                self.use(**{variable: f'{self.home}/{variable}'})
                self.assertFound(path, read, path)

    def test_named_by_the_environment(self):
        for variable in (
            'KUBECONFIG', 'GOOGLE_APPLICATION_CREDENTIALS',
            'AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE',
            'OS_CLIENT_CONFIG_FILE', 'OS_CLIENT_SECURE_FILE', 'OS_KEY',
        ):  # fmt: skip
            with self.subTest(variable):
                path = self.make(variable.lower())
                self.assertFree(read, path)
                self.use(**{variable: path})
                finding = self.assertFound(path, read, path)
                self.assertIn(f'which {variable} names', finding.message)

    def test_several_named(self):
        one, two = self.make('one'), self.make('two')
        self.use(KUBECONFIG=f'{one}:{two}:/nowhere:')
        self.assertFound(one, read, one)
        self.assertFound(two, read, two)

    def test_named_where_temporary_files_are(self):
        # Real ones are kept there, too.
        path = self.make('kubeconfig', self.own)
        self.use(KUBECONFIG=path)
        self.assertFound(path, read, path)

    def test_named_that_the_tests_made(self):
        made = self.home + '/made'
        self.assertFree(sys.audit, 'tempfile.mkdtemp', made)
        path = self.make('made/config')
        self.use(KUBECONFIG=path, HOME=made)
        self.assertFree(read, path)

    def test_named_nothing(self):
        self.use(KUBECONFIG='/dev/null', OS_CERT='', AWS_CONFIG_FILE='x\0')
        self.assertFree(read, '/dev/null')
        self.assertFree(read, __file__)

    def test_while_they_are_hidden(self):
        path = self.make('kubeconfig')
        environ = dict(self.environ, KUBECONFIG=path)
        _, restore = credentials.hide(environ)
        self.check = credentials.CredentialFiles(environ)
        self.assertFound(path, read, path)
        restore()
        self.use()
        self.assertFree(read, path)

    def test_places_of_a_changed_environment(self):
        path = f'{self.home}/.aws/credentials'
        named = self.make('kubeconfig')
        in_home = self.make('mine/kubeconfig')
        elsewhere = {'HOME': self.own}
        self.check = credentials.CredentialFiles(elsewhere)
        for each in (path, named, in_home):
            self.assertFree(read, each)
        first = dict(self.environ, KUBECONFIG=f'{named}:~/mine/kubeconfig')
        self.check = credentials.CredentialFiles(elsewhere, first)
        for each in (path, named, in_home):
            self.assertFound(each, read, each)
        self.assertFree(read, f'{self.home}/{OTHERS[0]}')

    def test_home_that_changed_before_the_guard(self):
        path = f'{self.home}/.aws/credentials'
        self.useFixture(
            settings.Environment(
                HOME=self.home, OS_SAFE_FIXTURES__MODE='enforce'
            )
        )
        conf.read()
        self.useFixture(fixtures.EnvironmentVariable('HOME', self.own))

        def leave(case):
            read(f'{self.home}/{OTHERS[0]}')

        for act, fails in ((lambda case: read(path), True), (leave, False)):
            with self.subTest(fails=fails):
                case = inner.case_of(
                    inner.swallowed(act),
                    safe_fixtures.hardened(testtools.TestCase),
                )
                result = testtools.TestResult()
                case('test_it').run(result)
                text = str(result.errors + result.failures)
                self.assertEqual(fails, 'SF404' in text, text)

    def test_agent(self):
        # As agents do; it is not the test's own all the same.
        path = self.own + '/agent'
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            self.assertFree(connect, path)
            self.use(SSH_AUTH_SOCK=path)
            finding = self.assertFound(path, connect, path)
            self.assertEqual(
                f'connect to {path}, which SSH_AUTH_SOCK names',
                finding.message,
            )
            self.assertFound(path, connect, os.fsencode(path))
            os.symlink(path, self.own + '/link')
            self.assertFound(path, connect, self.own + '/link')

    def test_other_sockets(self):
        self.use(SSH_AUTH_SOCK=self.own + '/agent')
        path = self.own + '/other'
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            self.assertFree(connect, path)
        self.assertFree(connect, '\0safe-fixtures')
        with socket.create_server(('127.0.0.1', 0)) as server:
            self.assertFree(
                lambda: socket.create_connection(server.getsockname()).close()
            )


def read(path):
    open(path).close()


def connect(path):
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.connect(path)
