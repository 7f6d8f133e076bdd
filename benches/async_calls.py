"""What benches/async_calls.rs measures, in Python's asyncio: requests of 10 ms, 10,000 of them in flight.

    python3 benches/async_calls.py [REQUESTS]
"""

import asyncio
import sys
import time

IN_FLIGHT = 10_000
WAIT = 0.010


async def request(n, wait):
    await asyncio.sleep(wait)
    return n


async def looping_tasks(requests, in_flight, wait):
    """As many tasks as may be in flight, each making one request after the other."""
    numbers = iter(range(requests))

    async def loop():
        return sum([await request(n, wait) for n in numbers])

    return sum(await asyncio.gather(*[loop() for _ in range(in_flight)]))


async def a_task_each(requests, in_flight, wait):
    """A task for each request; whoever ends lets the next begin."""
    permits = asyncio.Semaphore(in_flight)
    total = 0

    def done(task):
        nonlocal total
        total += task.result()
        permits.release()

    for n in range(requests):
        await permits.acquire()
        asyncio.create_task(request(n, wait)).add_done_callback(done)
    for _ in range(in_flight):
        await permits.acquire()
    return total


def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * 4096


async def memory(job):
    """Bytes a request in flight takes, of ten times as many."""
    requests = 10 * IN_FLIGHT
    before = resident()
    running = asyncio.create_task(job(requests, requests, 6))
    await asyncio.sleep(4)
    taken = resident() - before
    await running
    return taken / requests


def main():
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    print(f"{asyncio.run(memory(a_task_each)):.0f} bytes for a request in flight (a task each)")
    for job in [a_task_each, looping_tasks]:
        rates = []
        for _ in range(5):
            start = time.perf_counter()
            total = asyncio.run(job(requests, IN_FLIGHT, WAIT))
            assert total == requests * (requests - 1) // 2
            rates.append(requests / (time.perf_counter() - start) / 1e3)
        low, median, high = sorted(rates)[1:4]
        print(f"{job.__name__}: {median:.0f} ({low:.0f}–{high:.0f}) thousand requests/s")


main()
