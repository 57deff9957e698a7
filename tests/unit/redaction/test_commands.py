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
"""Secrets in the arguments of commands, however these are written."""

import json
import shlex
from urllib import parse

from safe_fixtures import redaction
from tests.support import base

# Assembled, so that no tool takes this file itself for a leak.
SECRET = 'Zt7' + 'kQ2mXw9Lp'
UUID = '7d3f2c64-0f1b-4b0e-9c53-3a8b2cf0a1de'
# $ stands for the secret.
LEAKS = (
    'iscsiadm -m node --op update -n node.session.auth.password -v $',
    'curl https://a/docker -u user:$', 'curl -u user:$ http://a/',
    'curl -s --user user:$ http://a/',
    'curl --user=user:$ http://a/', 'curl -uuser:$ http://a/',
    'curl -sku admin:$ http://a/', 'curl --proxy-user u:$ http://a/',
    'curl --oauth2-bearer $ http://a/', 'curl -b sid=$ http://a/',
    '/usr/bin/curl -u user:$ http://a/', 'etcdctl --user root:$ get a',
    'sshpass -p $ ssh root@host', 'sshpass -p$ ssh root@host',
    'mysql -u root -p$ nova', 'mysqldump -uroot -p$ nova', 'mariadb -p$',
    'tool --key $', 'rbd --key $ map a', 'rbd --key=$ map a',
    'ceph --id x --key $', 'virsh secret-set-value a --base64 $',
    f'virsh secret-set-value --secret {UUID} --base64 $',
    f'virsh secret-set-value {UUID} $',
    'qemu-img create --object secret,id=sec0,data=$ -o a',
    'qemu -object secret,id=a,format=raw,data=$',
    'openstack --os-password $ server list', 'ipmitool -H h -U u -P $ power',
    'ipmitool -P$ -H h', 'ssh-keygen -t rsa -N $ -f key',
    'openssl rsa -passin pass:$', 'openssl enc -aes -k $',
    'rabbitmqctl add_user u $', 'rabbitmqctl change_password u $',
    'htpasswd -b /etc/a u $', 'htpasswd -nb u $', 'redis-cli -h h -a $ PING',
    'docker login -u u -p $ host', 'podman login --password $',
    'ldapsearch -D cn=a -w $ -b x', 'smbclient //h/s -U u%$',
    'zip -P $ a', '7z a -p$ a', 'keytool -storepass $ -keypass x',
    'snmpget -v3 -A $ -X $ h', 'gpg --passphrase $ -c', 'influx -password $',
    'mongo -u a -p $', 'sqlcmd -U sa -P $', 'lftp -u user,$ h',
    'kubectl --token $ get pods', 'usermod --password $ root',
    'crudini --set nova.conf keystone password $',
    'wpa_passphrase ssid $', r'net use X: \\host\a $ /user:u',
    'env PGPASSWORD=$ psql -h a', 'psql postgres://u:$@h/d',
    'mount -t cifs -o username=a,password=$ //h',
)  # fmt: skip
INNOCENT = (
    'curl -u user http://a/', 'curl -o out http://a/ -H Accept:x1y2z3',
    'docker run -p 8080:80 image1', 'mysql -P 3306 -h db1', 'mysql -p',
    'ssh -p 2222 host1', 'sort --key 2', 'tool --key /etc/a1.pem',
    'tool --key server1.key', 'tool --key name', 'openssl rsa -passin env:A1',
    'openssl req -key a1.pem', 'zip -r a1b2c3', 'sshpass -f file1 ssh a1',
    'qemu-img create -f qcow2 -o size=1073741824 disk1',
    f'virsh secret-undefine {UUID}', 'rabbitmqctl list_users v1b2c3',
    'git commit -m token a1b2c3d4', 'net use', 'networks -a v1b2c3',
    'openstack token issue -f json1x', 'rbd import --pool a1b2c3d4 img',
)  # fmt: skip


def written(command):
    """Yield a command as it may be written."""
    words = command.split()
    yield f'Running cmd (subprocess): {shlex.join(words)}'
    yield f'{command} | tee a && true'
    yield f'run {words!r}'
    yield f'run {tuple(words)!r}'
    yield repr(f'run {words!r}')
    yield json.dumps({'cmd': words})
    yield json.dumps({'cmd': command})
    yield json.dumps(json.dumps({'cmd': command}))
    yield 'q=' + parse.quote(command)
    yield command.encode()
    # As it is in a long text, of which only some words are looked at.
    yield f'{"a line of a log " * 900}\n{command}\n'


class TestCommands(base.TestCase):
    def setUp(self):
        super().setUp()
        self.redactor = redaction.Redactor()

    def test_masks(self):
        for command in LEAKS:
            command = command.replace('$', SECRET)
            for text in written(command):
                with self.subTest(command=command, text=text):
                    masked = self.redactor.redact(text)
                    self.assertNotIn(SECRET, str(masked))
                    self.assertEqual(masked, self.redactor.redact(masked))

    def test_masks_lists(self):
        for command in LEAKS:
            words = command.replace('$', SECRET).split()
            for value in (
                words,
                tuple(words),
                [word.encode() for word in words],
                {'cmd': ['sudo', *words]},
            ):
                with self.subTest(value=value):
                    masked = self.redactor.redact(value)
                    self.assertNotIn(SECRET, str(masked))
                    self.assertIs(type(value), type(masked))
                    self.assertEqual(len(value), len(masked))

    def test_the_rest_stays(self):
        for text, expected in (
            (f'curl -u user:{SECRET} http://a/', 'curl -u user:*** http://a/'),
            (f'mysql -p{SECRET} nova', 'mysql -p*** nova'),
            (['mysql', f'-p{SECRET}', 'nova'], ['mysql', '-p***', 'nova']),
            (f"['sshpass', '-p', '{SECRET}', 'a']",
             "['sshpass', '-p', '***', 'a']"),
            (f'-n a.password -v {SECRET} b', '-n a.password -v *** b'),
            (f'{{"a": "curl -u a:{SECRET}"}}', '{"a": "curl -u a:***"}'),
        ):  # fmt: skip
            with self.subTest(text=text):
                self.assertEqual(expected, self.redactor.redact(text))

    def test_leaves_others_alone(self):
        for command in INNOCENT:
            words = command.split()
            for value in (*written(command), words, tuple(words)):
                with self.subTest(value=value):
                    self.assertEqual(value, self.redactor.redact(value))
