#!/usr/bin/env python3
"""Loads an OpenAI-shaped server with concurrent streams and prints what it gives, as flat JSON:
serve_load.py PORT STREAMS [--requests N] [--prompt N] [--answer N] [--idle N] [--pid PID] [--seed N]

Each stream asks one completion after the other, of a prompt of random tokens that no other request has. `--idle`
connections are opened first and stay silent. With `--pid`, the CPU time of that process's threads named quern-http, by
token streamed, is measured too.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import time

VOCABULARY = range(300, 31000)


def http_cpu_seconds(pid):
    """CPU time of a process's threads that serve HTTP."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/comm") as comm:
                if comm.read().strip() != "quern-http":
                    continue
            with open(f"/proc/{pid}/task/{task}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


async def ask(port, prompt, answer):
    """One streamed completion on a connection of its own: (seconds to the first event, events)."""
    body = json.dumps(
        {"model": "load", "prompt": prompt, "max_tokens": answer, "temperature": 0, "stream": True, "ignore_eos": True}
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    start = time.monotonic()
    writer.write(head.encode() + body)
    first, events, done = None, 0, False
    async for line in reader:
        if line.startswith(b"data: [DONE]"):
            done = True
            break
        if line.startswith(b"data: "):
            first = first or time.monotonic() - start
            events += 1
        elif line.startswith(b"HTTP/1.1 ") and b" 200 " not in line:
            raise RuntimeError(line.decode())
    writer.close()
    if not done:
        raise RuntimeError("an answer broke off")
    return first, events


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("streams", type=int)
    parser.add_argument("--requests", type=int, default=2, help="of each stream")
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--answer", type=int, default=64)
    parser.add_argument("--idle", type=int, default=0)
    parser.add_argument("--pid", type=int)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw = random.Random(args.seed)

    idle = [await asyncio.open_connection("127.0.0.1", args.port) for _ in range(args.idle)]
    for reader, writer in idle:  # a request each, so that they are kept alive
        writer.write(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")

    async def stream():
        return [
            await ask(args.port, draw.choices(VOCABULARY, k=args.prompt), args.answer) for _ in range(args.requests)
        ]

    cpu = http_cpu_seconds(args.pid) if args.pid else 0
    start = time.monotonic()
    answers = sum(await asyncio.gather(*(stream() for _ in range(args.streams))), [])
    seconds = time.monotonic() - start
    events = sum(count for _, count in answers)
    result = {
        "tokens_per_second": len(answers) * args.answer / seconds,
        "total_tokens_per_second": len(answers) * (args.answer + args.prompt) / seconds,
        "first_token_seconds": statistics.median(first for first, _ in answers),
    }
    if args.pid:
        result["http_cpu_us_per_token"] = (http_cpu_seconds(args.pid) - cpu) / events * 1e6
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())
