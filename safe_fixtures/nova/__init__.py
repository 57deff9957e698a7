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

"""Hardened drop-in replacements for Nova's functional test bases.

Importing this imports ``nova.tests.functional``, which patches the standard
library for eventlet unless ``OS_NOVA_DISABLE_EVENTLET_PATCHING`` is true.
"""

import gc
import importlib
from importlib import util
import os
import sys
from typing import Any

if util.find_spec('nova') is None:
    raise ImportError(
        'safe_fixtures.nova needs Nova, which is not installed: '
        "pip install -c constraints/nova34.txt '.[cli,nova]' in a checkout, "
        'or install the Nova you test'
    )

_early = [
    name
    for name in ('urllib3', 'oslo_context.context')
    if name in sys.modules
    # Both patch the standard library, if it has to be.
    and sys.modules.keys().isdisjoint(
        ('nova.tests.functional', 'nova.tests.unit')
    )
]
_threads = os.environ.get('OS_NOVA_DISABLE_EVENTLET_PATCHING', '').lower()
if _early and _threads not in ('1', 'true', 'yes'):
    raise ImportError(
        f'{" and ".join(_early)} was imported before safe_fixtures.nova, so '
        'that eventlet cannot patch it any more: import safe_fixtures.nova '
        'first, or set OS_NOVA_DISABLE_EVENTLET_PATCHING=true'
    )

# The collector of garbage would look through all modules again and again,
# which takes an eighth of the time of the imports.
_collects = gc.isenabled()
gc.disable()
try:
    importlib.import_module('nova.tests.functional')

    from safe_fixtures.nova import backend  # noqa: F401
    from safe_fixtures.nova.bases import hardened
    from safe_fixtures.nova.bases import SafeIntegratedTestBase
    from safe_fixtures.nova.bases import SafeNoDBTestCase
    from safe_fixtures.nova.bases import SafeProviderUsageBaseTestCase
    from safe_fixtures.nova.bases import SafeTestCase
    from safe_fixtures.nova.cast_as_call import SafeCastAsCall
    from safe_fixtures.nova.environment import InstalledNova
    from safe_fixtures.nova.speed import WarmNova
    from safe_fixtures.nova.waiting import PromptBus
    from safe_fixtures.nova.waiting import WaitForChange
finally:
    if _collects:
        gc.enable()

__all__ = [
    'InstalledNova',
    'PromptBus',
    'SafeCastAsCall',
    'SafeIntegratedTestBase',
    'SafeNoDBTestCase',
    'SafeProviderUsageBaseTestCase',
    'SafeServersTestBase',
    'SafeTestCase',
    'WaitForChange',
    'WarmNova',
    'hardened',
]


def __getattr__(name: str) -> Any:
    # Only when it is used: the libvirt tests import a large fake library.
    if name == 'SafeServersTestBase':
        base = importlib.import_module('nova.tests.functional.libvirt.base')
        return hardened(base.ServersTestBase)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
