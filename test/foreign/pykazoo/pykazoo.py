"""A program that knows nothing of adsum: it finds and registers servers by
kazoo, in the JSON of Curator's service discovery.

    pykazoo.py watch HOSTS BASE SERVICE                 print every list of addresses and zones until the input ends
    pykazoo.py register HOSTS BASE SERVICE HOST PORT    keep HOST:PORT registered until the input ends
"""

import json
import sys
import time

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError


def watch(client, base, service):
    folder = f"{base}/{service}"
    client.ensure_path(folder)

    @client.ChildrenWatch(folder)
    def print_all(ids):
        print(" ".join(sorted(filter(None, (describe(client, f"{folder}/{name}") for name in ids)))))

    sys.stdin.read()


def describe(client, path):
    try:
        instance = json.loads(client.get(path)[0])
    except NoNodeError:
        return None  # gone since it was listed
    zone = (instance["payload"] or {}).get("zone", "")
    return f"{instance['address']}:{instance['port']}" + (f"@{zone}" if zone else "")


def register(client, base, service, host, port):
    name = f"{service}-{host}-{port}"
    value = {
        "name": service, "id": name, "address": host, "port": int(port), "sslPort": None,
        "payload": {"zone": "eu-1", "weight": "10"}, "registrationTimeUTC": int(time.time() * 1000),
        "serviceType": "DYNAMIC", "uriSpec": None, "enabled": True,
    }
    client.create(f"{base}/{service}/{name}", json.dumps(value).encode(), ephemeral=True, makepath=True)
    print("registered")
    sys.stdin.read()


if __name__ == "__main__":
    commands = {("watch", 5): watch, ("register", 7): register}
    command = commands.get((sys.argv[1] if sys.argv[1:] else "", len(sys.argv)))
    if command is None:
        sys.exit(__doc__)
    zookeeper = KazooClient(hosts=sys.argv[2])
    zookeeper.start()
    command(zookeeper, *sys.argv[3:])
    zookeeper.stop()
