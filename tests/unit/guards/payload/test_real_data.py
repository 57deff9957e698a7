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

"""What looks real in a request, and what does not."""

import base64
import gzip
import io
import json
import os
from urllib import parse

from tests.support import payloads

SERVERS = payloads.SERVERS
BYTES = payloads.BYTES
MADE = payloads.MADE
DER_KEYS = payloads.DER_KEYS
RSA_KEY = payloads.RSA_KEY
SSH_KEY = payloads.SSH_KEY
ACCESS_KEY = payloads.ACCESS_KEY
GITHUB_TOKEN = payloads.GITHUB_TOKEN
PUBLIC_KEY = payloads.PUBLIC_KEY
CERTIFICATE = payloads.CERTIFICATE
ADDRESS = payloads.ADDRESS
DOMAIN = payloads.DOMAIN
pem = payloads.pem
b64 = payloads.b64
server = payloads.server

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
    ({'key': pem('EC PRI' + 'VATE KEY')}, 'key: private key ('),
    ({'key': pem('PRI' + 'VATE KEY')}, 'key: private key ('),
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
    CERTIFICATE, b64(bytes.fromhex('30820122300d0609') + BYTES),
    b64(bytes.fromhex('3082030a308201f2a0030201') + BYTES),
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


class TestFind(payloads.TestCase):
    def test_bodies_that_must_fire(self):
        self.assertGreater(len(FIRES), 40)
        self.guard()
        for body, expected in FIRES:
            with self.subTest(body=body):
                message = self.refused(json=body)
                self.assertIn(expected, f'{message};')
                # A body with escapes is searched field by field at once.
                escaped = self.refused(json={'x': '\\', 'y': body})
                self.assertIn(expected.rpartition(': ')[2], f'{escaped};')
                for secret in (MADE[:40], ACCESS_KEY, GITHUB_TOKEN):
                    self.assertNotIn(secret, message)

    def test_bodies_that_must_not(self):
        self.assertGreater(len(PASSES), 60)
        self.guard()
        for text in PASSES:
            with self.subTest(text=text):
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
            with self.subTest(body=body):
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
                with self.subTest(
                    text=text, expected=expected, where=where, kwargs=kwargs
                ):
                    message = self.refused(**kwargs)
                    self.assertIn(f': {where}: {expected}', message)
                    self.assertNotIn(MADE[:40], message)
