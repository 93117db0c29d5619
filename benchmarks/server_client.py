"""What asking a server costs the computer that asks.

Usage: python benchmarks/server_client.py [--concurrency 64,256] [--rounds 3]

A small server in a process of its own answers every request after a second, so that as many are open as may be. Printed
is the CPU time of a request, in medians over the rounds: of the bare client, all requests through one of it, and of
`openai:`, which reads the answers besides.
"""

import argparse
import asyncio
import json
import multiprocessing
import time
from itertools import pairwise
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

from openai import AsyncOpenAI

from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.core.sample import Request, SamplingParams
from pytest_passatk.models.registry import load

TURNS = 4  # requests of each that is open at once
CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "42"}}
ANSWER = {"choices": [CHOICE], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}


def write(body: Any) -> bytes:
    """A response."""
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection: a list of models, or an answer after a second."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            for line in head.split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.partition(b":")[2]))
                    await asyncio.sleep(1)
            writer.write(write(ANSWER if head.startswith(b"post") else {"data": []}))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve(ready: Connection) -> None:
    """The server; tells its port."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def start(ready: Connection) -> None:
    """The server, as a process."""
    asyncio.run(serve(ready))


async def ask_bare(url: str, concurrency: int) -> None:
    """Every request through one client."""
    left = iter(range(concurrency * TURNS))
    body = {"model": "m", "messages": [{"role": "user", "content": "6 * 7"}]}

    async def work() -> None:
        for _ in left:
            await client.post("/chat/completions", cast_to=object, body=body)

    async with AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0) as client:
        await asyncio.gather(*(work() for _ in range(concurrency)))


def ask_backend(url: str, concurrency: int) -> None:
    """As many requests, each of a problem of its own."""
    model = load("openai:m", ModelOptions(base_url=url, concurrency=concurrency))
    requests = [Request(f"{at}", f"{at}", 0, "6 * 7", SamplingParams(), at) for at in range(concurrency * TURNS)]
    assert sum(completion.error is None for completion in model.sample(requests)) == len(requests)


def measure(url: str, concurrency: int) -> tuple[float, float]:
    """Milliseconds of CPU a request, of both."""
    moments = [time.process_time()]
    asyncio.run(ask_bare(url, concurrency))
    moments.append(time.process_time())
    ask_backend(url, concurrency)
    moments.append(time.process_time())
    bare, backend = ((end - begin) / (concurrency * TURNS) * 1000 for begin, end in pairwise(moments))
    return bare, backend


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--concurrency", default="64,256")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=start, args=(there,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}"
    for concurrency in map(int, options.concurrency.split(",")):
        rounds = [measure(url, concurrency) for _ in range(options.rounds + 1)][1:]
        bare, backend = (median(each) for each in zip(*rounds, strict=True))
        print(f"{concurrency} at once: bare client {bare:.2f} ms a request, openai: {backend:.2f} ms")
    server.terminate()


if __name__ == "__main__":
    main()
