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

"""Clients of each kind, signed in to the cloud as its administrator."""

from keystoneauth1 import adapter as ks_adapter
from keystoneauth1.identity import v3
from keystoneauth1 import session as ks_session
from novaclient import client as nova_client
import openstack
from tempest.lib import auth
from tempest.lib.services.compute import services_client

from tools.live_cloud import settings

__all__ = [
    'KINDS',
    'adapter',
    'compute_proxy',
    'connection',
    'novaclient',
    'session',
    'tempest_client',
    'token_of',
    'token_session',
]


def session(cloud):
    """Return a session of keystoneauth, with a password."""
    return ks_session.Session(
        auth=v3.Password(
            auth_url=cloud.environment()['OS_AUTH_URL'],
            username='admin',
            password=settings.PASSWORD,
            project_name='admin',
            user_domain_name='Default',
            project_domain_name='Default',
        )
    )


def token_session(cloud, token):
    """Return a session of keystoneauth that has a token, and no password."""
    return ks_session.Session(
        auth=v3.Token(
            auth_url=cloud.environment()['OS_AUTH_URL'],
            token=token,
            project_name='admin',
            project_domain_name='Default',
        )
    )


def adapter(cloud):
    """Return an adapter of keystoneauth for the compute service."""
    return ks_adapter.Adapter(
        session(cloud),
        service_type='compute',
        interface='public',
        region_name=settings.REGION,
    )


def connection(cloud):
    """Return a connection of openstacksdk."""
    return openstack.connection.Connection(
        session=session(cloud), region_name=settings.REGION
    )


def compute_proxy(cloud):
    """Return the compute proxy of a connection of openstacksdk."""
    return connection(cloud).compute


def novaclient(cloud):
    """Return a client of python-novaclient."""
    return nova_client.Client(
        '2.53', session=session(cloud), region_name=settings.REGION
    )


def tempest_client(cloud):
    """Return tempest's client of services."""
    provider = auth.KeystoneV3AuthProvider(
        auth.KeystoneV3Credentials(
            username='admin',
            password=settings.PASSWORD,
            project_name='admin',
            user_domain_name='Default',
            project_domain_name='Default',
        ),
        cloud.environment()['OS_AUTH_URL'],
    )
    provider.credentials = provider.fill_credentials()
    return services_client.ServicesClient(provider, 'compute', settings.REGION)


def token_of(client):
    """Return the token that a client of any kind uses now."""
    if isinstance(client, services_client.ServicesClient):
        return client.auth_provider.get_token()
    if isinstance(client, openstack.connection.Connection):
        return client.session.get_token()
    if isinstance(client, ks_session.Session):
        return client.get_token()
    # A novaclient has its adapter one level down.
    adapter_ = getattr(client, 'client', client)
    return adapter_.session.get_token()


#: By kind: what makes one, from the cloud.
KINDS = {
    'openstacksdk connection': connection,
    'openstacksdk compute': compute_proxy,
    'keystoneauth session': session,
    'keystoneauth adapter': adapter,
    'python-novaclient': novaclient,
    'tempest': tempest_client,
}
