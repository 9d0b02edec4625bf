# A request by each of Python's HTTP clients, as programs write it by hand; the
# argument says which.
import os
import sys

URL = "https://api.openai.com/v1/chat/completions"
ASK = {"model": "gpt-fake", "messages": []}
HEADERS = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}


def by_urllib():
    import json
    import urllib.request

    headers = {"Content-Type": "application/json", **HEADERS}
    request = urllib.request.Request(URL, json.dumps(ASK).encode(), headers)
    return json.load(urllib.request.urlopen(request))


def by_requests():
    import requests

    return requests.post(URL, json=ASK, headers=HEADERS).json()


def by_httpx():
    import httpx

    return httpx.post(URL, json=ASK, headers=HEADERS).json()


def by_httpx_over_http2():
    import httpx

    with httpx.Client(http2=True) as client:
        answer = client.post(URL, json=ASK, headers=HEADERS)
        assert answer.http_version == "HTTP/2", answer.http_version
        return answer.json()


def by_aiohttp():
    import asyncio

    import aiohttp

    async def ask():
        # Without `trust_env` it knows no proxy.
        async with aiohttp.ClientSession(trust_env=True) as session:
            async with session.post(URL, json=ASK, headers=HEADERS) as answer:
                return await answer.json()

    return asyncio.run(ask())


answer = globals()["by_" + sys.argv[1]]()
print(answer["choices"][0]["message"]["content"])
