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

"""Patch attributes, and restore them exactly."""

from collections.abc import Callable, Iterable
import contextlib
import functools
import sys
from typing import Any, Generic, TypeVar

import wrapt

__all__ = [
    'SharedPatch',
    'call_before',
    'patch_attribute',
    'patch_attributes',
    'patch_together',
    'patch_when_imported',
    'wrapped_attribute',
]

_User = TypeVar('_User')

_INHERITED = object()
# Patches for modules that are not imported yet, by module name.
_waiting: dict[str, list[Callable[[Any], None]]] = {}


class SharedPatch(Generic[_User]):
    """A patch with any number of users.

    The first user installs it and the last one restores what was there
    before. Users may come and go in any order.

    Example::

        def install():
            return patch_attribute(module, 'connect', watched_connect)

        watchers = SharedPatch(install)
        watchers.add(self, self.addCleanup)

    :param install: patches something and returns a callable that restores
        it. It is called anew whenever a first user comes.
    :ivar users: the users, oldest first (tuple). It is replaced, never
        changed in place, so that a loop over it is not disturbed.
    """

    def __init__(self, install: Callable[[], Callable[[], None]]) -> None:
        self._install = install
        self._restore: Callable[[], None] | None = None
        self.users: tuple[_User, ...] = ()

    def add(
        self,
        user: _User,
        register: Callable[[Callable[[], None]], Any] | None = None,
    ) -> Callable[[], None]:
        """Add a user; install the patch for the first one.

        :param register: is passed what removes the user, before anything
            is changed, such as ``addCleanup``.
        :returns: a callable that removes the user, and restores what was
            patched after the last one. Later calls do nothing.
        :raises: what installing raises; the user is not added then.
        """
        removed = False

        def remove() -> None:
            nonlocal removed
            if not removed:
                removed = True
                self._remove(user)

        if register is not None:
            register(remove)
        self.users = (*self.users, user)
        try:
            if self._restore is None:
                self._restore = self._install()
        except BaseException:
            remove()
            raise
        return remove

    def _remove(self, user: _User) -> None:
        # By identity, and the newest: a user may be there twice.
        for last in range(len(self.users) - 1, -1, -1):
            if self.users[last] is user:
                self.users = self.users[:last] + self.users[last + 1 :]
                break
        if not self.users and self._restore is not None:
            restore, self._restore = self._restore, None
            restore()


def patch_attribute(
    target: Any, name: str, replacement: Any
) -> Callable[[], None]:
    """Set an attribute; return a callable that restores it.

    An attribute that *target* inherits is deleted again at the end, and not
    shadowed by a copy. The raw object (a staticmethod, say) is restored,
    and not what a lookup yields.

    :param target: a module, class or instance.
    :param name: the attribute (str).
    :param replacement: its value until it is restored.
    :returns: a callable that restores the attribute.
    """
    previous = vars(target).get(name, _INHERITED)

    def restore() -> None:
        if previous is not _INHERITED:
            setattr(target, name, previous)
        elif isinstance(target, type):
            delattr(target, name)
        else:
            # Not delattr: a mock would take the attribute for deleted.
            del vars(target)[name]

    setattr(target, name, replacement)
    return restore


def call_before(
    target: Any, name: str, look: Callable[..., None]
) -> Callable[[], None]:
    """Call a function before another one, with the same arguments.

    :param target: a module or class.
    :param name: the other function or method (str).
    :param look: the function to call. What it raises prevents the call.
    :returns: a callable that restores the attribute.
    """
    original = vars(target)[name]

    @functools.wraps(original)
    def called(*args: Any, **kwargs: Any) -> Any:
        look(*args, **kwargs)
        return original(*args, **kwargs)

    return patch_attribute(target, name, called)


def patch_together(
    *patches: Callable[[], Callable[[], None]],
) -> Callable[[], None]:
    """Patch several things, or none if one fails.

    :param patches: each patches something and returns a callable that
        restores it.
    :returns: a callable that restores all, the last one first.
    """
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.callback(patch())
        return stack.pop_all().close


def patch_attributes(
    patches: Iterable[tuple[Any, str, Any]],
) -> Callable[[], None]:
    """Set several attributes, or none if one fails.

    :param patches: target, name and replacement of each.
    :returns: a callable that restores all, the last one first.
    """
    return patch_together(
        *(functools.partial(patch_attribute, *patch) for patch in patches)
    )


def wrapped_attribute(
    target: Any, name: str, wrapper: Callable[..., Any]
) -> tuple[Any, str, Any]:
    """Return a patch that wraps a function, as :func:`patch_attributes` takes.

    :param wrapper: called as ``wrapper(function, instance, args, kwargs)``;
        the function is bound to the instance already.
    """
    function = vars(target).get(name) or getattr(target, name)
    return target, name, wrapt.FunctionWrapper(function, wrapper)


def patch_when_imported(
    name: str, patch: Callable[[Any], Callable[[], None]]
) -> Callable[[], None]:
    """Patch a module now, or as soon as it is imported.

    :param name: the name of the module (str).
    :param patch: patches the module that it is passed, and returns a
        callable that restores it.
    :returns: a callable that restores the module, or cancels the patch if
        the module was never imported.
    """
    restores: list[Callable[[], None]] = []

    def on_import(module: Any) -> None:
        restores.append(patch(module))

    def restore() -> None:
        if on_import in _waiting.get(name, ()):
            _waiting[name].remove(on_import)
        while restores:
            restores.pop()()

    if name in sys.modules:
        on_import(sys.modules[name])
        return restore
    if name not in _waiting:
        # A hook cannot be removed, so there is one for all patches.
        _waiting[name] = []
        wrapt.register_post_import_hook(_on_import, name)
    _waiting[name].append(on_import)
    return restore


def _on_import(module: Any) -> None:
    for each in _waiting.pop(module.__name__, ()):
        each(module)
