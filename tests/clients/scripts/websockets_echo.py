# The `websockets` package as its README shows it: it reads the proxy and the
# roots from the environment.
import asyncio
import os
import sys

from websockets.asyncio.client import connect


async def main():
    headers = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
    url = "wss://api.openai.com/v1/realtime?model=gpt-fake"
    if sys.argv[1:] == ["base-url"]:
        url = os.environ["OPENAI_BASE_URL"].replace("http", "ws", 1) + "/realtime"
    async with connect(url, additional_headers=headers) as socket:
        await socket.send("Guten Tag")
        print("text:", await socket.recv())
        await socket.send(b"x" * 100_000)
        print("bytes:", len(await socket.recv()))
        await (await socket.ping())
        print("pong")


asyncio.run(main())
