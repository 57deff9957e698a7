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

"""Look at sockets, and report what is sent through connected ones."""

import _socket
from collections.abc import Callable
import functools
import socket
import sys
from typing import Any

from safe_fixtures.runtime import patching

__all__ = ['SEND', 'family', 'is_stream', 'peer', 'report_sends']

SEND = 'safe_fixtures.send'
# A subclass can hide these.
_fields = vars(_socket.socket)
_get_family = _fields['family'].__get__
_get_type = _fields['type'].__get__
_get_peer = _fields['getpeername']


def family(endpoint: Any) -> int:
    """Return the family of a socket, such as ``socket.AF_INET``."""
    found: int = _get_family(endpoint)
    return found


def kind(endpoint: Any) -> int:
    """Return the type of a socket, such as ``socket.SOCK_DGRAM``."""
    # Linux keeps flags in the type.
    found: int = _get_type(endpoint) & 0xF
    return found


def is_stream(endpoint: Any) -> bool:
    """Whether a socket sends to where it was connected to, and only there."""
    return kind(endpoint) == socket.SOCK_STREAM


def peer(endpoint: Any) -> Any:
    """Return the address that a socket is connected to, or None."""
    try:
        return _get_peer(endpoint)
    except OSError:
        return None


def report_sends() -> Callable[[], None]:
    """Report what is sent through a connected socket that is no stream.

    The interpreter reports ``sendto`` and ``sendmsg`` only.

    :returns: a callable that ends it.
    """
    # eventlet makes socket.socket a green socket, which sends through a
    # second copy of the module. What was bound before eventlet patched uses
    # the first copy.
    owners = [
        owner
        for owner in _socket.socket.__subclasses__()
        if owner.__module__ == socket.__name__
    ]

    def report_green(module: Any) -> Callable[[], None]:
        original = module._original_socket
        if original in owners:
            return lambda: None
        return _report_sends_of(original)

    return patching.patch_together(
        *(functools.partial(_report_sends_of, owner) for owner in owners),
        lambda: patching.patch_when_imported(
            'eventlet.greenio.base', report_green
        ),
    )


def _report_sends_of(owner: Any) -> Callable[[], None]:
    return patching.patch_together(
        functools.partial(_report_before, owner, 'send'),
        functools.partial(_report_before, owner, 'sendall'),
    )


def _report_before(owner: Any, name: str) -> Callable[[], None]:
    original = getattr(owner, name)

    @functools.wraps(original)
    def sent(endpoint: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_stream(endpoint):
            sys.audit(SEND, endpoint, None)
        return original(endpoint, *args, **kwargs)

    return patching.patch_attribute(owner, name, sent)
