#!/usr/bin/env python3
"""Whether the service's memory stays flat, and what a streamed token costs it: loads `quern serve` (the shipped model)
with streamed and plain answers, long and short ones, clients killed in the midst, and idle connections that come and go.
Samples resident memory, and fails where a sample after the second minute is more than 2 % off that minute's, where
an answer is not whole, where a slot stays taken, or where the threads that serve HTTP use more than 100 us of CPU by
token of a load that is all streamed.

serve_soak.py [--minutes N] [--clients N] [--idle N] [--seed N]      QUERN names another program
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench/peers"))
from serve_load import http_cpu_seconds  # noqa: E402

SETTLED_SECONDS = 120
SAMPLE_SECONDS = 5
MOST_GROWTH = 0.02
MOST_CPU_US = 100
WORDS = "once upon a time there was little fox who wanted to see the big river and its friends".split()


class Server:
    def __init__(self):
        quern = os.environ.get("QUERN", ROOT / "build/release/bin/quern")
        model = ROOT / "examples/models/storyteller-q8_0.gguf"
        command = [quern, "serve", "-m", model, "--name", "story", "--port", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        self.port = int(re.search(r":(\d+)$", line.strip()).group(1))
        self.pid = self.process.pid

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        self.process.terminate()
        if self.process.wait() != 0:
            raise RuntimeError("the server did not end well")


def message(method, path, body=""):
    return (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def read_head(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(head.decode())
    return head


async def read_answer(reader):
    """Reads one answer, which must be whole, and gives its body."""
    head = await read_head(reader)
    length = re.search(rb"Content-Length: (\d+)", head)
    if length:
        return await reader.readexactly(int(length.group(1)))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    if not body.endswith(b"data: [DONE]\n\n"):
        raise RuntimeError("an answer broke off")
    return body


def request(draw, streamed, prompt_words, tokens):
    prompt = " ".join(draw.choices(WORDS, k=prompt_words))
    body = {"model": "story", "max_tokens": tokens, "stream": streamed, "ignore_eos": True, "seed": draw.randrange(1000)}
    if draw.random() < 0.5:
        return message("POST", "/v1/completions", json.dumps(body | {"prompt": prompt}))
    messages = [{"role": "user", "content": prompt}]
    return message("POST", "/v1/chat/completions", json.dumps(body | {"messages": messages}))


class Load:
    def __init__(self, port, seed):
        self.port, self.draw = port, random.Random(seed)
        self.whole = self.killed = self.renewed = 0

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def client(self, end):
        """Requests on one connection, until one is left in the midst."""
        draw = self.draw
        while time.monotonic() < end:
            reader, writer = await self.connect()
            killed = False
            while not killed and time.monotonic() < end:
                long = draw.random() < 0.3
                sent = request(draw, draw.random() < 0.5, 200 if long else 10, 200 if long else 12)
                killed = draw.random() < 0.25
                if killed:
                    await self.leave(reader, writer, sent)
                else:
                    writer.write(sent)
                    await read_answer(reader)
                    self.whole += 1
                await asyncio.sleep(draw.uniform(0, 0.1))
            writer.transport.abort()

    async def leave(self, reader, writer, sent):
        """Leaves at any place of the request, while its answer is made, or in the midst of its answer."""
        place = self.draw.choice(["request", "before", "answer"])
        writer.write(sent[: self.draw.randrange(len(sent))] if place == "request" else sent)
        if place == "before":
            await asyncio.sleep(self.draw.uniform(0, 0.05))
        elif place == "answer":
            await reader.read(self.draw.randrange(1, 2000))
        self.killed += 1

    async def idle(self, end):
        """A connection that asks for little, and is left and opened again now and then."""
        while time.monotonic() < end:
            reader, writer = await self.connect()
            writer.write(message("GET", "/v1/models"))
            await read_answer(reader)
            await asyncio.sleep(min(self.draw.uniform(1, 40), max(0, end - time.monotonic())))
            writer.close()
            self.renewed += 1

    async def metric(self, name):
        reader, writer = await self.connect()
        writer.write(message("GET", "/metrics"))
        text = (await read_answer(reader)).decode()
        writer.close()
        return float(re.search(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE).group(1))


async def cpu_of_streamed_tokens(load, pid, streams=16, requests=12, tokens=200):
    """Microseconds of CPU by token, of the threads that serve HTTP."""

    async def stream():
        reader, writer = await load.connect()
        for _ in range(requests):
            writer.write(request(load.draw, True, 10, tokens))
            await read_answer(reader)
        writer.close()

    before = http_cpu_seconds(pid)
    await asyncio.gather(*(stream() for _ in range(streams)))
    return (http_cpu_seconds(pid) - before) / (streams * requests * tokens) * 1e6


async def sample_memory(server, start, end):
    """(seconds, bytes) of resident memory."""
    samples = []
    while time.monotonic() < end:
        samples.append((time.monotonic() - start, server.resident_bytes()))
        print(f"{samples[-1][0]:6.0f} s {samples[-1][1] / 1e6:9.2f} MB", flush=True)
        await asyncio.sleep(SAMPLE_SECONDS)
    return samples


async def run(server, args):
    load = Load(server.port, args.seed)
    cpu = await cpu_of_streamed_tokens(load, server.pid)
    print(f"CPU of a streamed token: {cpu:.1f} us, at most {MOST_CPU_US}")

    start = time.monotonic()
    end = start + args.minutes * 60
    clients = [load.client(end) for _ in range(args.clients)] + [load.idle(end) for _ in range(args.idle)]
    samples = (await asyncio.gather(sample_memory(server, start, end), *clients))[0]
    print(f"{load.whole} whole answers, {load.killed} killed clients, {load.renewed} idle connections closed")

    settled = [size for seconds, size in samples if seconds >= SETTLED_SECONDS]
    most = max(abs(size / settled[0] - 1) for size in settled)
    print(f"resident memory left its value at minute two by {most * 100:.2f} %, at most {MOST_GROWTH * 100:.0f} %")

    await asyncio.sleep(1)
    running = await load.metric("quern_running_requests") + await load.metric("quern_queued_requests")
    print(f"slots still taken: {running:.0f}")
    return cpu <= MOST_CPU_US and most <= MOST_GROWTH and running == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--idle", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.minutes * 60 <= SETTLED_SECONDS + SAMPLE_SECONDS:
        parser.error("--minutes must leave time after the second")
    server = Server()
    try:
        good = asyncio.run(run(server, args))
    finally:
        server.stop()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
