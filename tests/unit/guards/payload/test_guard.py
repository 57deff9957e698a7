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

import base64
import collections
import gzip
import io
import json
import os
from urllib import parse

import requests
from requests import adapters
import testtools

from safe_fixtures import audit
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures import expect_violation
from safe_fixtures.guards import payload
from safe_fixtures import waive
from tests.support import base
from tests.support import web

SEND = vars(adapters.HTTPAdapter)['send']
SERVERS = f'{web.URL}/v2.1/servers'
# Put together here, so that no scanner takes this file for a leak.
_BYTES = bytes(range(256)) * 3
_MADE = base64.b64encode(_BYTES).decode()
# As they begin: PKCS 1, PKCS 8 (also of Ed25519), SEC 1, PKCS 12.
DER_KEYS = [
    bytes.fromhex(begin) + _BYTES
    for begin in (
        '308204a40201000282010100',
        '308204be020100300d06092a864886f70d0101010500',
        '302e020100300506032b657004220420',
        '30770201010420',
        '30820a3b02010330820a01',
    )
]


def _pem(kind):
    lines = '\n'.join(
        _MADE[start : start + 64] for start in range(0, len(_MADE), 64)
    )
    return f'-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n'


RSA_KEY = _pem('RSA PRI' + 'VATE KEY')
SSH_KEY = _pem('OPENSSH PRI' + 'VATE KEY')
ACCESS_KEY = 'AKI' + 'A2Q7XN5RM3VKD8WTB'
GITHUB_TOKEN = 'gh' + 'p_J7mQ2xZ9vK4tR8wN1bY6cL3dF5gH0sPaE1uX'
PUBLIC_KEY = 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ'
CERTIFICATE = _pem('CERTIFICATE')


def b64(text):
    content = text if isinstance(text, bytes) else text.encode()
    return base64.b64encode(content).decode()


def server(**fields):
    return {'server': {'name': 'dummy', 'imageRef': '', **fields}}


ADDRESS = 'public address'
DOMAIN = 'e-mail domain'
# A body, and what is found in it. None stands for any kind of secret.
FIRES = [
    (server(accessIPv4='8.8.8.8'), f'server.accessIPv4: {ADDRESS} 8.8.8.8'),
    (server(accessIPv4='1.1.1.1'), f'server.accessIPv4: {ADDRESS} 1.1.1.1'),
    (server(accessIPv4='172.32.0.1'), f'{ADDRESS} 172.32.0.1'),
    (server(accessIPv4='100.128.0.1'), f'{ADDRESS} 100.128.0.1'),
    (server(accessIPv4='198.20.0.1'), f'{ADDRESS} 198.20.0.1'),
    (server(accessIPv4='192.0.3.1'), f'{ADDRESS} 192.0.3.1'),
    (server(accessIPv4='223.255.255.254'), f'{ADDRESS} 223.255.255.254'),
    (server(accessIPv6='2a00:1450:4001:81b::200e'),
     f'server.accessIPv6: {ADDRESS} 2a00:1450:4001:81b::200e'),
    (server(accessIPv6='2606:4700:4700:0:0:0:0:1111'),
     f'{ADDRESS} 2606:4700:4700:0:0:0:0:1111'),
    (server(accessIPv6='2001:DB9::1'), f'{ADDRESS} 2001:DB9::1'),
    (server(accessIPv6='3fff:1000::1'), f'{ADDRESS} 3fff:1000::1'),
    (server(accessIPv6='::ffff:8.8.8.8'), f'{ADDRESS} ::ffff:8.8.8.8'),
    (server(accessIPv6='64:ff9b::808:808'), f'{ADDRESS} 64:ff9b::808:808'),
    (server(accessIPv6='2002:808:808::1'), f'{ADDRESS} 2002:808:808::1'),
    (server(networks=[{'uuid': 'a'}, {'fixed_ip': '8.8.4.4'}]),
     f'server.networks[1].fixed_ip: {ADDRESS} 8.8.4.4'),
    ({'subnet': {'cidr': '8.8.8.0/24'}},
     f'subnet.cidr: {ADDRESS} 8.8.8.0/24'),
    ({'subnet': {'cidr': '9.0.0.0/8'}}, f'{ADDRESS} 9.0.0.0/8'),
    ({'subnet': {'cidr': '2a00:1450::/32'}}, f'{ADDRESS} 2a00:1450::/32'),
    ({'range': '8.8.8.1-8.8.8.20'}, f'{ADDRESS} 8.8.8.1;'),
    ({'dns': ['192.168.0.1', '9.9.9.9']}, f'dns[1]: {ADDRESS} 9.9.9.9'),
    ({'url': 'http://8.8.8.8:8774/v2.1'}, f'url: {ADDRESS} 8.8.8.8'),
    ({'url': 'http://8.8.8.8/2'}, f'url: {ADDRESS} 8.8.8.8'),
    ({'url': 'https://[2a00:1450::1]:443/'}, f'{ADDRESS} 2a00:1450::1'),
    ({'url': 'rabbit://user:pass@8.8.8.8:5672/'}, f'{ADDRESS} 8.8.8.8'),
    ({'text': 'log in at 8.8.8.8.'}, f'text: {ADDRESS} 8.8.8.8'),
    ({'text': 'first\n8.8.8.8\tthird'}, f'text: {ADDRESS} 8.8.8.8'),
    ({'text': 'ip:2a00:1450::1: it'}, f'text: {ADDRESS} 2a00:1450::1'),
    ({'text': 'interface:2a00:1450::1'}, f'{ADDRESS} 2a00:1450::1'),
    ({'text': '{"a": "b\\n8.8.8.8"}'}, f'text: {ADDRESS} 8.8.8.8'),
    ({'metadata': {'8.8.8.8': 'x'}},
     f': metadata (a key): {ADDRESS} 8.8.8.8'),
    ({'8.8.8.8': 'x'}, f': body (a key): {ADDRESS} 8.8.8.8'),
    (['8.8.8.8'], f'[0]: {ADDRESS} 8.8.8.8'),
    ('8.8.8.8', f'body: {ADDRESS} 8.8.8.8'),
    ({'versions': 'see 8.8.8.8', 'a': ['build', '8.8.8.8']},
     f'a[1]: {ADDRESS} 8.8.8.8'),
    ({'text': 'ping 8.8.8.8'}, f'text: {ADDRESS} 8.8.8.8'),
    ({'text': 'host/8.8.8.8'}, f'text: {ADDRESS} 8.8.8.8'),
    ({'android': '8.8.8.8'}, f'android: {ADDRESS} 8.8.8.8'),
    ({'mail': 'joe@gmail.com'}, f'mail: {DOMAIN} gmail.com'),
    ({'mail': 'Joe <joe+x@Mail.Acme.COM>,'}, f'{DOMAIN} mail.acme.com'),
    ({'mail': 'mailto:joe@gmail.com?x'}, f'{DOMAIN} gmail.com'),
    ({'mail': 'joe@notexample.com'}, f'{DOMAIN} notexample.com'),
    ({'mail': 'joe@example.com.evil.org'}, 'example.com.evil.org'),
    ({'mail': 'fake@gmail.com'}, f'{DOMAIN} gmail.com'),
    ({'mail': 'joe@fake.com.evil.org'}, f'{DOMAIN} fake.com.evil.org'),
    ({'mail': 'joe@b\u00fccher.de'}, f'{DOMAIN} b\u00fccher.de'),
    ({'mail': 'joe@gmail.com\nann@web.de'}, f'{DOMAIN} web.de'),
    ({'public_key': f'{PUBLIC_KEY} joe@laptop.acme.com'},
     f'public_key: {DOMAIN} laptop.acme.com'),
    (server(user_data=b64('#!/bin/sh\nping 8.8.8.8\n')),
     f'server.user_data (base64): {ADDRESS} 8.8.8.8'),
    (server(user_data=b64(gzip.compress(b'ping 8.8.8.8'))),
     f'server.user_data (base64): {ADDRESS} 8.8.8.8'),
    (server(user_data=base64.encodebytes(b'ping 8.8.8.8 ' * 9).decode()),
     f'server.user_data (base64): {ADDRESS} 8.8.8.8'),
    ({'text': f'base64 -d <<EOF\n{b64("ping 8.8.8.8 -c 99")}\nEOF\n'},
     f'text (base64): {ADDRESS} 8.8.8.8'),
    ({'text': f'base64 -d <<DONE\n{b64("ping 8.8.8.8 -c 99")}\nDONE\n'},
     f'text (base64): {ADDRESS} 8.8.8.8'),
    (server(user_data=b64(b64('ping 8.8.8.8'))),
     f'server.user_data (base64): {ADDRESS} 8.8.8.8'),
    (server(user_data=b64(f'write: {b64("joe@gmail.com")} x')),
     f'server.user_data (base64): {DOMAIN} gmail.com'),
    (server(personality=[{'path': '/a', 'contents': b64('8.8.8.8')}]),
     f'server.personality[0].contents (base64): {ADDRESS} 8.8.8.8'),
    (server(user_data=b64(RSA_KEY)),
     'server.user_data (base64): private key ('),
    (server(user_data=b64(b'\xff\xfe\x00' + SSH_KEY.encode())),
     'server.user_data (base64): private key ('),
    (server(user_data=b64('ping 8.8.8.8'.encode('utf-16'))),
     f'server.user_data (base64): {ADDRESS} 8.8.8.8'),
    (server(user_data=b64('ping 8.8.8.8'.encode('utf-16-le'))),
     f'server.user_data (base64): {ADDRESS} 8.8.8.8'),
    (server(user_data=b64(RSA_KEY.encode('utf-16'))),
     'server.user_data (base64): private key ('),
    *(({'key': b64(key)}, 'key (base64): private key (') for key in DER_KEYS),
    ({'key': RSA_KEY.splitlines()}, 'body: private key ('),
    ({'key': RSA_KEY.splitlines(keepends=True), 'a': [1, None]},
     'body: private key ('),
    ({'key': RSA_KEY}, 'key: private key ('),
    ({'key': SSH_KEY}, 'key: private key ('),
    ({'key': _pem('EC PRI' + 'VATE KEY')}, 'key: private key ('),
    ({'key': _pem('PRI' + 'VATE KEY')}, 'key: private key ('),
    ({'id': ACCESS_KEY}, 'id: '),
    ({'metadata': {'token': GITHUB_TOKEN}}, 'metadata.token: '),
    ({'a': {GITHUB_TOKEN: '8.8.8.8'}}, f'a.***: {ADDRESS} 8.8.8.8'),
]  # fmt: skip
PASSES = [
    # Documentation: RFC 5737, RFC 3849, RFC 9637.
    '192.0.2.1', '198.51.100.7', '203.0.113.0/24', '2001:db8::1',
    '2001:DB8:1:2:3:4:5:6', '3fff::1', '3fff:fff::1',
    # Private, shared, and this machine's.
    '10.0.0.1', '172.16.10.7', '172.31.255.255', '192.168.1.0/24',
    '100.64.0.1', '100.127.255.254', '127.0.0.1', '169.254.169.254',
    '198.18.0.1', '198.19.255.254', '0.0.0.0', '0.0.0.0/0',
    '255.255.255.255', '224.0.0.1', '239.1.2.3', '240.0.0.1',
    '::', '::1', '::/0', 'fe80::f816:3eff:fe00:1', 'fe80::1%eth0',
    'fd00:1::1', 'fc00::/7', 'ff02::1', '::ffff:10.0.0.1', '100::1',
    '2002:a00:1::1', '64:ff9b::10.0.0.1', '2001:2::1', '2000::/3',
    '2001:db8::8.8.8.8',
    # Masks, and routes of half of the world.
    '255.255.255.0', '255.255.240.0', '128.0.0.0', '0.0.0.255',
    '0.0.63.255', '63.255.255.255', '128.0.0.0/1', '8.0.0.0/7',
    # Made up, as Nova itself has them.
    '1.2.3.4', '4.3.2.1', '5.6.7.8', '80fe::', 'dead:beef::1',
    'me.and.myself@this.nice.domain.com mooh.',
    # No addresses at all.
    '1.3.6.1.4.1.311', '8.8.8.8.8', '8.8.8', '300.8.8.8', 'v8.8.8.8',
    'nova-8.8.8.8', 'nova==8.8.8.8', 'nova>=8.8.8.8', '8.8.8.8-1ubuntu2',
    '8.8.8.8rc1', '8.8.8.8~beta', '8.8.8.8+git1', 'version 8.8.8.8',
    'firmware: 8.8.8.8', 'qemu 8.2.2.1', 'QEMU 8.2.2.1', 'ESXi 8.0.3.2',
    'libvirt 9.10.0.3 (qemu-kvm 8.2.2.1)', 'Chrome/120.0.6099.71',
    '1:2:3', '12:30:45', 'fa:16:3e:8a:00:01',
    '0000:81:00.0', '2606:4700:0:0:0:0:0:1x',
    'std::string', 'a::b::c', '2024::later',
    '2024-01-02T03:04:05', 'a1:b2:c3:d4:e5:f6:a7:b8:2a:10:11:12:13:14:15:16',
    '155d900f-4e14-4e4c-a73d-069cbf4541e6',
    # No e-mail, or none that anybody gets.
    'joe@example.com', 'joe@mail.example.org', 'joe@x.test', 'j@a.invalid',
    'root@localhost', 'root@localhost.localdomain', 'a@b.localhost',
    'joe@host.local', 'joe@host.internal', 'joe@a.example', 'root@host1',
    'fake@fake.com', 'Foo@Bar.com', 'me@somewhere.com', 'joe@mail.test.de',
    'pass@domain.com',
    'joe@EXAMPLE.NET', 'getty@tty1.service', 'logo@2x.png', '@decorator.x',
    'git@github.com:openstack/nova.git', 'ssh://git@github.com/nova',
    'rabbit://user:pass@bus.acme.com:5672/', 'nova@32.1.0', 'a@b.c',
    # Public keys and certificates.
    f'{PUBLIC_KEY} Generated-by-Nova', f'{PUBLIC_KEY} joe@laptop',
    CERTIFICATE, b64(bytes.fromhex('30820122300d0609') + _BYTES),
    b64(bytes.fromhex('3082030a308201f2a0030201') + _BYTES),
    # No secrets that anybody has.
    '-----BEGIN RSA PRI' + 'VATE KEY-----',
    '-----BEGIN PRI' + 'VATE KEY-----\nfake\n-----END PRI' + 'VATE KEY-----',
    'AKI' + 'AIOSFODNN7EXAMPLE', 'gh' + 'p_' + 'x' * 36, 'gAAAAA' + 'B' * 80,
    # In base64 or not.
    'IyEvYmluL2Jhc2gKL2Jpbi9zdQplY2hvICJJIGFtIGluIHlvdSEiCg==',
    b64('joe@example.com at 192.0.2.1'), b64(os.urandom(300)), 'A' * 99,
    b64(b'\x1f\x8b no archive'), b64(b'\xff\xfejoe@gmail.com'),
]  # fmt: skip
FIELDS = [
    {'version': '8.8.8.8'}, {'hw_version': '8.8.8.8'}, {'oid': '1.3.6.1'},
    {'os_release': '8.8.8.8'}, {'firmware': ['8.8.8.8']},
    {'versions': ['8.8.8.8', '9.9.9.9']}, {'a': 8.8, 'b': None, 'c': True},
    {}, [], None, 'text', 134744072, {'a': [[{}]]},
]  # fmt: skip


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.configure(rule_modes='SF303:enforce')
        self.server = self.useFixture(web.Served())

    def guard(self, **kwargs):
        return self.useFixture(payload.PayloadGuard(**kwargs))

    def refused(self, **kwargs):
        """Send a request; return what it is refused with."""
        kwargs.setdefault('method', 'POST')
        kwargs.setdefault('url', SERVERS)
        arrived = len(self.server.requests)
        with expect_violation('SF303') as seen:
            requests.request(**kwargs)
        # Once, and before it is served.
        self.assertEqual(1, len(seen))
        self.assertEqual(arrived, len(self.server.requests))
        return seen[0].message

    def served(self, **kwargs):
        kwargs.setdefault('method', 'POST')
        kwargs.setdefault('url', SERVERS)
        arrived = len(self.server.requests)
        response = requests.request(**kwargs)
        self.assertEqual(200, response.status_code)
        self.assertEqual(arrived + 1, len(self.server.requests))
        environ = self.server.requests[-1]
        return environ['wsgi.input'].read()

    def assertUntouched(self):
        self.assertIs(SEND, vars(adapters.HTTPAdapter)['send'])
        self.assertEqual((), gate.OBSERVERS.users)


class TestJudgement(TestCase):
    def test_bodies_that_must_fire(self):
        self.assertGreater(len(FIRES), 40)
        self.guard()
        for body, expected in FIRES:
            message = self.refused(json=body)
            self.assertIn(expected, f'{message};', body)
            # What is escaped is looked into field by field at once.
            escaped = self.refused(json={'x': '\\', 'y': body})
            self.assertIn(expected.rpartition(': ')[2], f'{escaped};')
            for secret in (_MADE[:40], ACCESS_KEY, GITHUB_TOKEN):
                self.assertNotIn(secret, message)

    def test_bodies_that_must_not(self):
        self.assertGreater(len(PASSES), 60)
        self.guard()
        for text in PASSES:
            for body in (
                text,
                {'a': text},
                {'a': [f'x\n{text}\n']},
                {'a': f'"{text}", ({text})'},
                {'a': b64(f'see {text}\n')},
            ):
                self.served(json=body)
            self.served(data=text)
            self.served(data={'a': text})
            self.served(method='GET', params={'a': text})
        for body in FIELDS:
            self.served(json=body)

    def test_what_fires_does_so_in_any_form(self):
        self.guard()
        for text, expected in (
            ('8.8.8.8', f'{ADDRESS} 8.8.8.8'),
            ('2a00:1450::1', f'{ADDRESS} 2a00:1450::1'),
            ('joe@gmail.com', f'{DOMAIN} gmail.com'),
            (RSA_KEY, 'private key ('),
        ):
            for where, kwargs in (
                ('a', {'json': {'a': text}}),
                ('a (base64)', {'json': {'a': b64(text)}}),
                ('a', {'data': json.dumps({'a': text}).encode('utf-16')}),
                ('a', {'data': {'a': text}}),
                ('a (base64)', {'data': {'a': b64(text)}}),
                ('body', {'data': text}),
                ('body', {'data': text.encode()}),
                ('body', {'data': f'<xml a="{text}"/>'}),
                ('body', {'data': memoryview(text.encode())}),
                (
                    'body',
                    {
                        'data': gzip.compress(json.dumps([text]).encode()),
                        'headers': {'Content-Encoding': 'gzip'},
                    },
                ),
                ('body', {'data': io.BytesIO(text.encode())}),
                ('body', {'data': io.StringIO(text)}),
                ('body', {'files': {'file': text}}),
                ('query.a', {'method': 'GET', 'params': {'a': text}}),
                ('query (a key)', {'method': 'GET', 'params': {text: '1'}}),
                (
                    'path',
                    {
                        'method': 'DELETE',
                        'url': f'{SERVERS}/{parse.quote(text, safe="")}',
                    },
                ),
            ):
                message = self.refused(**kwargs)
                self.assertIn(f': {where}: {expected}', message)
                self.assertNotIn(_MADE[:40], message)


class TestMessage(TestCase):
    def test_all_is_listed(self):
        self.guard()
        message = self.refused(
            json={'b': ['8.8.8.8', 'joe@gmail.com'], 'a': RSA_KEY}
        )
        self.assertEqual(
            'POST /v2.1/servers holds real-looking data: '
            f'a: private key ({len(RSA_KEY.strip())} characters); '
            f'b[0]: {ADDRESS} 8.8.8.8; b[1]: {DOMAIN} gmail.com',
            message,
        )

    def test_much_is_not(self):
        trail = self.useFixture(audit.AuditTrail())
        self.guard()
        message = self.refused(json=['8.8.8.8'] * 1000)
        self.assertEqual(10, message.count('8.8.8.8'))
        self.assertTrue(message.endswith('; and 990 more'), message)
        self.assertEqual(11, len(audit.details(trail.events[0])['findings']))

    def test_long_keys_are_not_quoted_whole(self):
        self.guard()
        message = self.refused(json={'k' * 5000: {'a': '8.8.8.8'}})
        self.assertIn('k...a: ', message.replace('....', '...'))
        self.assertLess(len(message), 200)

    def test_secret_in_the_path(self):
        trail = self.useFixture(audit.AuditTrail())
        self.guard()
        message = self.refused(url=f'{SERVERS}/{GITHUB_TOKEN}')
        self.assertNotIn(GITHUB_TOKEN, message)
        self.assertTrue(message.startswith('POST holds '), message)
        self.assertNotIn(GITHUB_TOKEN, json.dumps(trail.events))

    def test_secret_is_nowhere(self):
        trail = self.useFixture(audit.AuditTrail())
        self.guard()
        for body in ({'a': RSA_KEY}, {RSA_KEY: {'b': '8.8.8.8'}}, RSA_KEY):
            self.refused(json=body)
        self.assertNotIn(_MADE[:40], json.dumps(trail.events))

    def test_what_is_in_a_secret_is_no_finding_of_its_own(self):
        self.guard()
        key = RSA_KEY.replace('-----\n', '-----\nFor: joe@gmail.com\n\n', 1)
        self.assertNotIn('gmail', self.refused(json={'a': key}))

    def test_record(self):
        trail = self.useFixture(audit.AuditTrail())
        self.guard()
        self.refused(json={'a': '8.8.8.8'})
        event = trail.events[0]
        self.assertEqual(
            ('deny', 'failure', 'SF303', 'POST /v2.1/servers'),
            (
                event['action'],
                event['outcome'],
                event['reason']['reasonCode'],
                event['target']['name'],
            ),
        )
        details = audit.details(event)
        self.assertEqual([f'a: {ADDRESS} 8.8.8.8'], details['findings'])
        self.assertIn('test_guard.py:', details['where'])


class TestAllowed(TestCase):
    ALLOWED = ['8.8.8.8', '9.9.9.0/24', '2a00:1450::/32', 'Gmail.com.']

    def check(self):
        self.served(
            json=['8.8.8.8', '9.9.9.7/32', '2a00:1450::1', 'joe@gmail.COM']
        )
        for text in ('8.8.8.9', '9.9.8.1', '2a00:1451::1', 'a@x.gmail.com'):
            self.refused(json=[text])

    def test_by_argument(self):
        self.guard(allowed_hosts=self.ALLOWED)
        self.check()

    def test_by_option(self):
        self.configure(allowed_hosts=','.join(self.ALLOWED))
        self.guard()
        self.check()

    def test_argument_goes_before_the_option(self):
        self.configure(allowed_hosts='8.8.8.8')
        self.guard(allowed_hosts=[])
        self.refused(json='8.8.8.8')

    def test_nonsense_is_refused(self):
        for hosts in (['http://x/'], ['*'], 'example.com', [8]):
            error = self.assertRaises(
                exceptions.ConfigurationError,
                payload.PayloadGuard(allowed_hosts=hosts).setUp,
            )
            self.assertEqual('allowed_hosts', error.option)
            self.assertUntouched()


class TestRequest(TestCase):
    """No request is changed, and none fails that did nothing wrong."""

    def test_nothing_is_changed(self):
        body = {'a': '192.0.2.1', 'b': [b64('joe@example.com')]}
        self.guard()
        self.assertEqual(body, json.loads(self.served(json=body)))
        self.assertEqual(b'a=1&b=%40', self.served(data='a=1&b=%40'))

    def test_stream_is_not_used_up(self):
        self.guard()
        for stream in (io.BytesIO(b'skip text'), io.StringIO('skip text')):
            stream.seek(5)
            self.assertEqual(b'text', self.served(data=stream))

    def test_stream_that_is_read_once(self):
        reader, writer = os.pipe()
        os.write(writer, b'joe@gmail.com')
        os.close(writer)
        trail = self.useFixture(audit.AuditTrail())
        with payload.PayloadGuard(), os.fdopen(reader, 'rb') as pipe:
            self.served(data=pipe)
            self.served(data=iter([b'8.8.', b'8.8']))
        self.assertEqual(
            {'requests': 2, 'bytes': 0, 'unread': 2},
            audit.details(trail.events[-1]),
        )

    def test_odd_bodies(self):
        self.guard()
        for data in (
            b'',
            b'null',
            b'\0',
            b'\xff\xfe',
            bytes(range(256)),
            b'{"a": ',
            b'[' * 200000 + b'"\\n"',
            b'{"a":' * 50000 + b'"\\n"' + b'}' * 50000,
            '\u00e4\u4e00',
            bytearray(b'text'),
        ):
            self.served(data=data)
        self.served(data=b'a=%ff&b', headers={'Content-Type': FORM})
        self.served(json={'a': '\ud800'})

    def test_deep_body(self):
        self.guard()
        body = '8.8.8.8'
        for _ in range(500):
            body = [body]
        self.assertIn('[0][0]: public address', self.refused(json=body))

    def test_work_is_linear(self):
        size = 200000
        self.guard()
        # Each would take minutes if a part was looked at again and again.
        for part in (
            'a', '1', '1.', '1.1.1.1.', ':', '::', 'a:', '2a00:', '@', 'a@',
            'a.', 'a@a.', 'a@a-', '://', '\n', '\\n', '\\', 'YWFh', 'YWFh\n',
            '8.8.8.300 ', 'fe80::1 ', 'a@x.test ', '-----BEGIN ', 'eyJ', '%',
        ):  # fmt: skip
            text = part * (size // len(part))
            self.served(json={'a': text})
            self.served(data=text)

    def test_archive_that_unpacks_to_much(self):
        self.guard()
        bomb = gzip.compress(bytes(64 * 1024 * 1024))
        self.served(json={'user_data': b64(bomb)})


FORM = 'application/x-www-form-urlencoded'


class TestSummary(TestCase):
    def test_one_event_for_all_requests(self):
        trail = self.useFixture(audit.AuditTrail())
        with payload.PayloadGuard():
            self.served(data=b'12345')
            self.served(method='GET')
            self.served(data='\u00e4'.encode())
        (event,) = trail.events
        self.assertEqual('evaluate/payload', event['action'])
        self.assertEqual('monitor', event['eventType'])
        self.assertEqual('success', event['outcome'])
        self.assertEqual(
            {'requests': 3, 'bytes': 7, 'unread': 0}, audit.details(event)
        )

    def test_none_without_requests(self):
        trail = self.useFixture(audit.AuditTrail())
        with payload.PayloadGuard():
            pass
        self.assertEqual([], trail.events)

    def test_reused(self):
        trail = self.useFixture(audit.AuditTrail())
        guard = payload.PayloadGuard()
        for _ in range(2):
            with guard:
                self.served(data=b'12345')
        self.assertEqual(
            [5, 5], [audit.details(each)['bytes'] for each in trail.events]
        )


class TestModes(TestCase):
    def send(self, **modes):
        self.configure(**modes)
        trail = self.useFixture(audit.AuditTrail())
        with payload.PayloadGuard():
            self.served(json={'a': '8.8.8.8'})
        return collections.Counter(event['action'] for event in trail.events)

    def test_audit(self):
        self.assertEqual(
            {'evaluate/violation': 1, 'evaluate/payload': 1},
            self.send(rule_modes='SF303:audit'),
        )

    def test_off(self):
        self.assertEqual({}, self.send(rule_modes='SF303:off'))


REFUSED = (
    'SafetyViolation: SF303 (CWE-531): POST /v2.1/servers holds '
    f'real-looking data: a: {ADDRESS} 8.8.8.8 at '
)
FAILED = 'AssertionError: it ends here'
ENDED = 'ValueError: it ends here'


class TestInner(TestCase):
    """What becomes of a test."""

    def inner(self, act, fail=False, set_up_fails=False):
        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(payload.PayloadGuard())
                if set_up_fails:
                    act()
                    raise ValueError('it ends here')

            def test_x(self):
                act()
                if fail:
                    self.fail('it ends here')

        return Inner

    def good(self):
        requests.post(SERVERS, json={'a': '192.0.2.1'})

    def bad(self):
        requests.post(SERVERS, json={'a': '8.8.8.8'})

    def swallowed(self):
        try:
            self.bad()
        except Exception:
            return
        raise AssertionError('it was not refused')

    def test_passes(self):
        self.assertPasses(self.inner(self.good))
        self.assertEqual(1, len(self.server.requests))
        self.assertUntouched()

    def test_fails(self):
        self.assertFails(self.inner(self.good, fail=True), FAILED)
        self.assertUntouched()

    def test_error_in_set_up(self):
        self.assertFails(self.inner(self.good, set_up_fails=True), ENDED)
        self.assertUntouched()

    def test_refused(self):
        self.assertFails(self.inner(self.bad), REFUSED)
        self.assertEqual([], self.server.requests)
        self.assertUntouched()

    def test_refused_in_set_up(self):
        self.assertFails(self.inner(self.bad, set_up_fails=True), REFUSED)
        self.assertEqual([], self.server.requests)
        self.assertUntouched()

    def test_swallowed(self):
        self.assertFails(self.inner(self.swallowed), REFUSED)
        self.assertUntouched()

    def test_swallowed_in_a_test_that_fails(self):
        self.assertFails(
            self.inner(self.swallowed, fail=True), REFUSED, FAILED
        )
        self.assertUntouched()

    def test_swallowed_in_set_up(self):
        self.assertFails(
            self.inner(self.swallowed, set_up_fails=True), REFUSED, ENDED
        )
        self.assertUntouched()

    def test_audit_mode(self):
        self.configure(rule_modes='SF303:audit')
        self.assertPasses(self.inner(self.bad))
        self.assertEqual(1, len(self.server.requests))

    def test_waived(self):
        trail = self.useFixture(audit.AuditTrail())
        inner = waive('SF303', reason='its subject')(self.inner(self.bad))
        self.assertPasses(inner)
        self.assertEqual(1, len(self.server.requests))
        actions = [event['action'] for event in trail.events]
        self.assertEqual(
            ['evaluate/violation', 'allow/waiver', 'evaluate/payload'],
            actions,
        )

    def test_nested(self):
        guards = [payload.PayloadGuard(), payload.PayloadGuard()]
        with guards[0], guards[1]:
            self.refused(json='8.8.8.8')
        self.assertUntouched()
        self.bad()
