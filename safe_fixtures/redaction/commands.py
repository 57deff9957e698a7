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
"""Find secrets in the arguments of commands, such as ``curl -u user:x``."""

from collections.abc import Iterable, Iterator, Sequence
import re
from typing import NamedTuple

from safe_fixtures.redaction import names
from safe_fixtures.redaction import quotes
from safe_fixtures.redaction import shapes

__all__ = [
    'GATES',
    'find',
    'find_in_words',
    'have_options',
    'in_list',
    'in_text',
]


class _Command(NamedTuple):
    """Which arguments of a command are secrets.

    :ivar options: whose value has one (frozenset of str).
    :ivar whole: whose value is one (frozenset of str).
    :ivar joined: options whose value is one only if it follows without a
        space, as in ``mysql -px`` (tuple of str).
    :ivar after: what stands before the secret in the value of one of the
        options (str).
    :ivar words: for a word, the number of the argument after it that is one,
        as in ``add_user name x`` (dict).
    :ivar login: whether that is so only after the word "login" (bool).
    :ivar setter: whether a value follows the name of its field (bool).
    """

    options: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    joined: tuple[str, ...] = ()
    after: str = ''
    words: dict[str, int] = {}
    login: bool = False
    setter: bool = False


def _options(whole: str, options: str = '', after: str = '') -> _Command:
    return _Command(
        frozenset(options.split()), frozenset(whole.split()), after=after
    )


# By the names of commands that are alike.
_COMMANDS = {
    name: command
    for alike, command in {
        'curl etcdctl': _options(
            '-b --cookie --pass', '-u -U --user --proxy-user', ':'
        ),
        'smbclient rpcclient': _options('', '-U --user', '%'),
        'lftp': _options('', '-u', ','),
        'openssl': _options('-k -K', '-passin -passout -pass', 'pass:'),
        'mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlsh'
        ' mariadb mariadb-dump mariadb-admin 7z 7za': _Command(joined=('-p',)),
        'sshpass mongo mongosh mongodump mongorestore ipmipower ipmiconsole'
        ' racadm rabbitmqadmin twine useradd usermod': _options('-p'),
        'docker podman helm buildah skopeo nerdctl': _Command(
            whole=frozenset({'-p'}), login=True
        ),
        'ipmitool': _options('-P -k -y'),
        'ssh-keygen': _options('-N -P'),
        'zip unzip mosquitto_pub mosquitto_sub sqlcmd bcp': _options('-P'),
        'redis-cli': _options('-a --pass'),
        'ldapsearch ldapadd ldapmodify ldapdelete ldappasswd ldapwhoami'
        ' kadmin': _options('-w -s -pw'),
        'keytool': _options(
            '-storepass -keypass -srcstorepass -deststorepass'
        ),
        'snmpget snmpset snmpwalk': _options('-A -X'),
        'ceph rbd rados rbd-nbd': _options('--key'),
        'rabbitmqctl': _Command(
            words={'add_user': 2, 'change_password': 2, 'authenticate_user': 2}
        ),
        'htpasswd': _Command(),
        'wpa_passphrase': _Command(words={'wpa_passphrase': 2}),
        'vault': _Command(words={'login': 1}),
        'net': _Command(words={'use': 3, 'user': 2}),
        'ConvertTo-SecureString': _Command(
            words={'ConvertTo-SecureString': 1}
        ),
        'virsh': _Command(words={'secret-set-value': 2}),
        'nmcli crudini aws npm git openstack-config': _Command(setter=True),
    }.items()
    for name in alike.split()
}
_NONE = _Command()
# Of any command.
_OPTIONS = frozenset({'--key', '--base64', '--oauth2-bearer', '--proxy-pass'})
_FLAGS = frozenset({'-v', '--value'})
# Of htpasswd: the password is an argument.
_BATCH = re.compile('-[A-Za-z]*b[A-Za-z]*')
_CLUSTER = re.compile('-[a-zA-Z]+u')
# Not a key, but where or which it is.
_REFERENCE = re.compile(
    r'[0-9]{1,5}|[a-z_-]+|.*\.(?:pem|key|crt|cer|pub|json|yaml)'
    r'|(?:\.{0,2}/|~|[A-Za-z]:\\).*'
)
# It begins with what is found fast.
_OPTION = re.compile(r'-(?<=[\s\'"]-)-?[a-z]')
# Commands that have secrets without an option: what is in a text with one,
# what else is, and the name.
_NEED_NO_OPTION = (
    ('rabbitmqctl', 'rabbitmqctl', 'rabbitmqctl'),
    ('\\', '/user', 'net'),
    ('secret', 'secret-set-value', 'virsh'),
    ('pass', 'wpa_passphrase', 'wpa_passphrase'),
)
# What has to be in a text, but for the roots of names.
GATES = ('rabbitmqctl', '\\')
_TRIGGERS = {
    name: name for name in (*_COMMANDS, *_OPTIONS) if name != 'net'
} | {'/user': 'net'}
_BEFORE_ITEM = re.compile(rf'(?P<quote>{quotes.QUOTE})(?:[\w./-]*/)?\Z')
_WORD_CHARACTER = re.compile(r'[\w.-]')
_SPACE = re.compile(r'(?:[ \t]|\\\r?\n)*+')
_BETWEEN_ITEMS = re.compile(r'(?:\s|\\+[nrt]|,)*+[bu]?')
_QUOTE = re.compile(quotes.QUOTE)
_BARE = re.compile(r'(?:[^\s"\'|;&<>\\]|\\++(?![nr"\'\s]))++')
_NO_ARGUMENT = (',', ':', '}', ']', ')')
_MOST_WORDS = 500
_LONGEST_PATH = 60

_Span = tuple[int, int]


def in_list(words: Sequence[str]) -> bool:
    """Whether a list of words may be a command (a quick check)."""
    # After sudo, for example.
    return any(word.startswith('-') for word in words) or any(
        word.rpartition('/')[2] in _COMMANDS for word in words[:4]
    )


def have_options(lowered: str) -> bool:
    """Whether a text in lower case has options of commands."""
    return _OPTION.search(lowered) is not None or lowered[:1] == '-'


def in_text(words: str, gates: Sequence[str], options: bool) -> list[str]:
    """Return the names of commands that may have secrets in a text.

    :param words: the text, or its different words, in lines.
    :param gates: those of :data:`GATES` that are in it, and the roots of
        names that are.
    :param options: whether it has any options.
    """
    if options:
        return [
            name for trigger, name in _TRIGGERS.items() if trigger in words
        ]
    return [
        name
        for gate, trigger, name in _NEED_NO_OPTION
        if gate in gates and trigger in words
    ]


def find(text: str, commands: Iterable[str]) -> Iterator[shapes.Shape]:
    """Find the secrets in the arguments of commands.

    :param text: any text.
    :param commands: what :func:`in_text` found.
    :returns: an iterator of shapes.
    """
    begins = sorted(
        (position, name)
        for name in set(commands)
        for position in shapes.positions(text, name)
    )
    strings = quotes.Quotes(text)
    done = 0
    for position, name in begins:
        end = position + len(name)
        if (
            position < done
            or _WORD_CHARACTER.match(text, end)
            or _WORD_CHARACTER.match(text, max(0, position - 1), position)
        ):
            continue
        before = text[max(0, position - _LONGEST_PATH) : position]
        item = _BEFORE_ITEM.search(before)
        if item and text.startswith(item['quote'], end):
            end += len(item['quote'])
            spans = list(_items_from(text, strings, end))
        else:
            spans = list(_words_from(text, strings, end))
        done = max([end, *(span[1] for span in spans)])
        words = [name, *(text[start:stop] for start, stop in spans)]
        for index, first, last in find_in_words(words):
            # The option itself holds the secret: --key=x.
            start = spans[index - 1][0] if index else position
            yield shapes.Shape('password', start + first, start + last)


def _items_from(
    text: str, strings: quotes.Quotes, position: int
) -> Iterator[_Span]:
    """Yield where the items of a list of strings are."""
    for _ in range(_MOST_WORDS):
        space = _BETWEEN_ITEMS.match(text, position)
        quote = space and _QUOTE.match(text, space.end())
        end = quote and strings.end_of(quote[0], quote.end())
        if not quote or end is None:
            return
        yield quote.end(), end
        position = end + len(quote[0])


def _words_from(
    text: str, strings: quotes.Quotes, position: int
) -> Iterator[_Span]:
    """Yield where the words of a command line are."""
    if text.startswith('=', position):
        # --key=x, begun by that option.
        position += 1
    for _ in range(_MOST_WORDS):
        space = _SPACE.match(text, position)
        assert space
        start = position = space.end()
        bare = _BARE.match(text, position)
        if bare:
            position = bare.end()
        quote = _QUOTE.match(text, position)
        word = bare[0] if bare else ''
        if quote and (not word or word[-1] == '=' or word[0] == '-'):
            end = strings.end_of(quote[0], quote.end())
            if end is None or text.startswith(_NO_ARGUMENT, quote.end()):
                if word:
                    yield start, position
                return
            yield (start if word else quote.end()), end
            position = end + len(quote[0])
        elif word:
            yield start, position
            if quote:
                # It ends the string that the command is in.
                return
        else:
            return


class _Arguments:
    """Reads the arguments of commands, one by one."""

    def __init__(self) -> None:
        self._name = ''
        self._command = _NONE
        self._login = False
        # How many arguments it is to the one that is a secret.
        self._until = 0
        # The option whose value comes next.
        self._option = ''
        self._before = ''

    def read(self, word: str) -> int | None:
        """Return where a secret begins in the next argument, if it has."""
        option, self._option = self._option, ''
        before, self._before = self._before, word
        if option:
            return self._value_of(option, word)
        base = word.rpartition('/')[2]
        if base in _COMMANDS and '://' not in word:
            self._begin(base)
            return None
        if word.startswith('-'):
            return self._read_option(word, before)
        if word == 'login':
            self._login = True
        if self._until:
            if self._name == 'net' and word.startswith('/'):
                return None
            self._until -= 1
            return None if self._until else 0
        if self._command.setter and _names_secret(before):
            return 0 if self._name != 'git' or '.' in before else None
        self._until = self._command.words.get(word, 0)
        return None

    def _begin(self, name: str) -> None:
        self._name = name
        self._command = _COMMANDS[name]
        self._login = False
        self._until = self._command.words.get(name, 0)

    def _read_option(self, word: str, before: str) -> int | None:
        command = self._command
        name, equals, value = word.partition('=')
        if word in _FLAGS and '.' in before and _names_secret(before):
            self._option = word
            return None
        if self._name == 'htpasswd' and _BATCH.fullmatch(word):
            self._until = 2 if 'n' in word else 3
            return None
        known = command.options | command.whole
        if command.login and not self._login:
            known = frozenset()
        if (
            name in known
            or name in _OPTIONS
            or (name.startswith('-') and _names_secret(name.lstrip('-')))
            or (self._name == 'curl' and _CLUSTER.fullmatch(name))
        ):
            if equals:
                start = self._value_of(name, value)
                return None if start is None else start + len(name) + 1
            self._option = name
            return None
        for option in (*command.joined, *known):
            # As in -px.
            if (
                word.startswith(option)
                and option[:2] != '--'
                # Its options have longer names.
                and self._name not in ('openssl', 'keytool')
            ):
                start = self._value_of(option, word[len(option) :])
                return None if start is None else start + len(option)
        return None

    def _value_of(self, option: str, value: str) -> int | None:
        command = self._command
        if value.startswith('-'):
            return None
        if option in command.options or _CLUSTER.fullmatch(option):
            position = value.find(command.after)
            return position + len(command.after) if position >= 0 else None
        known = option in command.whole or option not in _OPTIONS
        return None if not known and _REFERENCE.fullmatch(value) else 0


def _names_secret(word: str) -> bool:
    return names.has_root(word) and names.is_secret_name(word)


def find_in_words(words: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Find the secrets in the arguments of commands.

    :param words: the commands and their arguments.
    :returns: for each secret, the number of its word, and where it begins
        and ends there.
    """
    arguments = _Arguments()
    for index, word in enumerate(words):
        start = arguments.read(word)
        if start is None:
            continue
        while start < len(word) and word[start] in '\\"\'':
            start += 1
        if names.is_secret('password', word[start:], quoted=True):
            yield index, start, len(word)
