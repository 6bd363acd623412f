"""A program that knows nothing of adsum: it finds and registers servers by
py-eureka-client.

    pyeureka.py watch BASE SERVICE                 print every list of addresses and zones until the input ends
    pyeureka.py register BASE SERVICE HOST PORT    keep HOST:PORT registered until the input ends
"""

import asyncio
import logging
import sys

from py_eureka_client import logger
from py_eureka_client.eureka_client import EurekaClient


async def watch(base, service):
    client = EurekaClient(eureka_server=base, should_register=False, renewal_interval_in_secs=0.2)
    await client.start()
    ended, printed = input_ended(), None
    while not ended.done():
        app = client.applications.get_application(service)
        line = " ".join(sorted(f"{i.ipAddr}:{i.port.port}@{i.zone}" for i in app.up_instances))
        if line != printed:
            print(line)
            printed = line
        await asyncio.wait([ended], timeout=0.05)
    await client.stop()


async def register(base, service, host, port):
    client = EurekaClient(
        eureka_server=base, should_discover=False, app_name=service, instance_host=host, instance_ip=host,
        instance_port=int(port), renewal_interval_in_secs=1, duration_in_secs=3, zone="eu-1",
        metadata={"weight": "10"})
    await client.start()
    print("registered")
    await input_ended()
    await client.stop()


def input_ended():
    return asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    logger.set_handler(logging.StreamHandler(sys.stderr))
    commands = {("watch", 4): watch, ("register", 6): register}
    command = commands.get((sys.argv[1] if sys.argv[1:] else "", len(sys.argv)))
    if command is None:
        sys.exit(__doc__)
    asyncio.run(command(*sys.argv[2:]))
