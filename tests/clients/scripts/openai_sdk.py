# OpenAI's SDK as its README shows it: nothing is configured here.
import asyncio

from openai import AsyncOpenAI, OpenAI

ASK = {"model": "gpt-fake", "messages": [{"role": "user", "content": "Say hello"}]}


def plain():
    client = OpenAI()
    print("plain:", client.chat.completions.create(**ASK).choices[0].message.content)


def streaming():
    client = OpenAI()
    text = ""
    for chunk in client.chat.completions.create(stream=True, **ASK):
        if not text:
            # The rest of the stream comes after this only.
            client.models.list()
        text += chunk.choices[0].delta.content or ""
    print("streamed:", text)


async def both_async():
    client = AsyncOpenAI()
    answer = await client.chat.completions.create(**ASK)
    print("async:", answer.choices[0].message.content)
    text = ""
    async for chunk in await client.chat.completions.create(stream=True, **ASK):
        text += chunk.choices[0].delta.content or ""
    print("async, streamed:", text)


plain()
streaming()
asyncio.run(both_async())
