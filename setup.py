#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

import os

import setuptools

# pbr reads the version from git, or from the PKG-INFO of a source
# distribution. A downloaded archive of the tree has neither.
if not any(map(os.path.exists, ('.git', 'PKG-INFO'))):
    os.environ.setdefault('PBR_VERSION', '0.0.1.dev0')

setuptools.setup(setup_requires=['pbr>=6.1.1'], pbr=True)
