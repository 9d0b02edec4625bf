# Anthropic's SDK as its README shows it: nothing is configured here.
import asyncio

from anthropic import Anthropic, AsyncAnthropic

ASK = {
    "model": "claude-fake",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Say hello"}],
}


def plain():
    client = Anthropic()
    print("plain:", client.messages.create(**ASK).content[0].text)


def streaming():
    client = Anthropic()
    text = ""
    with client.messages.stream(**ASK) as stream:
        for piece in stream.text_stream:
            if not text:
                # The rest of the stream comes after this only.
                client.models.list()
            text += piece
    print("streamed:", text)


async def both_async():
    client = AsyncAnthropic()
    answer = await client.messages.create(**ASK)
    print("async:", answer.content[0].text)
    text = ""
    async with client.messages.stream(**ASK) as stream:
        async for piece in stream.text_stream:
            text += piece
    print("async, streamed:", text)


plain()
streaming()
asyncio.run(both_async())
