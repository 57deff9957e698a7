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

"""The options as ``oslo.config`` holds them, and who is told of a change."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import copy
import functools
import threading
from typing import Any

from oslo_config import cfg

from safe_fixtures.conf import given
from safe_fixtures.conf import options
from safe_fixtures.conf import settings
from safe_fixtures import exceptions

__all__ = [
    'CONF',
    'absolute',
    'environ',
    'forget',
    'kept',
    'load',
    'now',
    'of_process',
    'override',
    'read',
    'watch',
    'worker',
]

_GROUP = options.GROUP.name
# They may be relative to a directory that a test leaves.
_PATHS = (
    'audit_file', 'baseline_file', 'journal_dir', 'posture_leaks_file',
    'waivers_file',
)  # fmt: skip
# Copies, whose defaults are what environment and file say.
_OPTS = copy.deepcopy(options.OPTS)
# What changes a value.
_CHANGES = (
    '__call__', 'clear', 'clear_default', 'clear_override',
    'mutate_config_files', 'register_opt', 'register_opts',
    'reload_config_files', 'reset', 'set_default', 'set_override',
    'unregister_opt', 'unregister_opts',
)  # fmt: skip


class _ConfigOpts(cfg.ConfigOpts):
    """Options that never look at the environment themselves."""

    # A call would switch it on.
    _use_env = property(lambda _: False, lambda _, value: None)

    def __init__(self) -> None:
        super().__init__()
        #: The values as they were last found valid; None after a change.
        self.settings: settings.Settings | None = None
        # Another shares its values.
        self.register_group(copy.deepcopy(options.GROUP))
        self.register_opts(_OPTS, group=_GROUP)


class _Depth(threading.local):
    """How many changes, one within another, this thread is making."""

    value = 0


_depth = _Depth()
_watchers: list[Callable[[], None]] = []


def _noticed(change: Any) -> Any:
    @functools.wraps(change)
    def noticed(self: _ConfigOpts, *args: Any, **kwargs: Any) -> Any:
        outermost = self is CONF and _watchers and not _depth.value
        undo = _keep() if outermost else None
        _depth.value += 1
        try:
            return change(self, *args, **kwargs)
        finally:
            _depth.value -= 1
            self.settings = None
            if undo is not None:
                _tell(undo)

    return noticed


def _tell(undo: Callable[[], None]) -> None:
    try:
        # The innermost guard first.
        for watcher in _watchers[::-1]:
            watcher()
    except BaseException:
        undo()
        raise


CONF = _ConfigOpts()
# What they are without what a test sets.
_UNTOUCHED = _ConfigOpts()
# What override() sets, the innermost last.
_overrides: list[dict[str, str]] = []

for _name in _CHANGES:
    setattr(_ConfigOpts, _name, _noticed(getattr(cfg.ConfigOpts, _name)))


def read() -> None:
    """Read environment and file, unless that was done in this process.

    :meth:`load` does so too. Before code of a test runs is better: it may
    change the environment.
    """
    given.read()


def load() -> settings.Settings:
    """Return the settings as they are now, checked.

    They come from ``OS_SAFE_FIXTURES__<OPTION>`` in the environment and from
    the file that ``SAFE_FIXTURES_CONFIG`` names. Both are read once in a
    process. What a test sets in ``CONF`` goes before that. Nothing is
    read from ``/etc`` or the home directory.

    :raises: ConfigurationError that names the option, the value and what is
        allowed.
    """
    if CONF.settings is None:
        CONF.settings = _evaluate(CONF)
    return CONF.settings


def now() -> settings.Settings:
    """Return the settings, also if nobody was told of a change."""
    CONF.settings = None
    return load()


def of_process() -> settings.Settings:
    """Return the settings without what a test has set.

    :raises: as :func:`load`.
    """
    if _UNTOUCHED.settings is None:
        _UNTOUCHED.settings = _evaluate(_UNTOUCHED)
    return _UNTOUCHED.settings


def forget() -> None:
    """Read environment and file anew: for this package's own tests."""
    given.forget()
    CONF.settings = _UNTOUCHED.settings = None


def environ() -> Mapping[str, str]:
    """Return the environment as it was when the settings were read."""
    return given.read().environ


def worker() -> str | None:
    """Return the name of the worker, if there are several."""
    return given.read().worker


def absolute(path: str) -> str:
    """Return a path of an option as it was meant in the whole process.

    :param path: may be relative to where the process began, or begin with
        ``~``.
    """
    return given.read().absolute(path)


@contextlib.contextmanager
def override(**values: str) -> Iterator[None]:
    """Set options as a command line does, until the context is left.

    They take precedence over the environment and the file.

    :param values: by the names of the options; ``$`` stands for itself.
    """
    mine = {name: value.replace('$', '$$') for name, value in values.items()}
    _overrides.append(mine)
    CONF.settings = _UNTOUCHED.settings = None
    try:
        yield
    finally:
        _overrides[:] = [each for each in _overrides if each is not mine]
        CONF.settings = _UNTOUCHED.settings = None


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Put back at the end of the block what it has set in :data:`CONF`."""
    read()
    undo = _keep()
    try:
        yield
    finally:
        undo()


def watch(callback: Callable[[], None]) -> Callable[[], None]:
    """Call a function after each change of :data:`CONF`.

    :param callback: if it raises, the change is undone, and the exception
        goes to who made it.
    :returns: a callable that ends it.
    """
    _watchers.append(callback)

    def end() -> None:
        _watchers[:] = [each for each in _watchers if each is not callback]

    return end


def _keep() -> Callable[[], None]:
    """Return a callable that puts back all values as they are now."""
    group = CONF._groups[_GROUP]
    infos: dict[str, Any] = {
        name: info.copy() for name, info in group._opts.items()
    }
    namespaces = CONF._namespace, CONF._mutable_ns

    def undo() -> None:
        CONF._groups[_GROUP] = group
        group._opts = {name: info.copy() for name, info in infos.items()}
        CONF._namespace, CONF._mutable_ns = namespaces
        CONF.settings = None
        _prepare(CONF)

    return undo


def _prepare(conf: _ConfigOpts) -> dict[str, str]:
    """Let the options be there, with the defaults that are in force.

    :returns: the texts that were given, by option.
    """
    values = dict(given.read().values)
    added = options.added_to_defaults(values)
    for each in _overrides:
        values.update(each)
        added.update(each)
    # A dollar sign in the name of the directory stands for itself.
    added.setdefault('journal_dir', given.read().state.replace('$', '$$'))
    for opt, original in zip(_OPTS, options.OPTS, strict=True):
        value = added.get(opt.name)
        if value is not None:
            value = _located(opt.name, value)
        opt.default = original.default if value is None else value
    _depth.value += 1  # nobody need be told
    try:
        # This also clears what oslo.config remembers.
        conf.register_opts(_OPTS, group=_GROUP)
    finally:
        _depth.value -= 1
    return values


def _evaluate(conf: _ConfigOpts) -> settings.Settings:
    read = given.read()
    if read.fault is not None:
        raise exceptions.ConfigurationError(*read.fault)
    texts = _prepare(conf)
    return settings.Settings(
        **{opt.dest: _value_of(conf, opt, texts) for opt in options.OPTS}
    )


def _located(name: str, value: Any) -> Any:
    """Return the value of an option; a path becomes absolute."""
    if name not in _PATHS or not value or value == options.OFF:
        return value
    return absolute(value)


def _value_of(conf: _ConfigOpts, opt: cfg.Opt, texts: dict[str, str]) -> Any:
    allowed = 'it must not be empty'
    try:
        value = copy.copy(conf[_GROUP][opt.dest])
        # oslo.config reads an empty number as None.
        if value is not None or opt.default is None:
            return _located(opt.name, value)
    except (ValueError, cfg.Error) as error:
        # oslo.config puts the option and its source before the reason.
        allowed = str(error).partition(' is not valid: ')[2] or str(error)
    raise exceptions.ConfigurationError(
        f'[{_GROUP}] {opt.name}', texts.get(opt.name), allowed
    )
