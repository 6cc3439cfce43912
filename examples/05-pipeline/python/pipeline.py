"""The asyncio pattern that this example takes over: an HTTP endpoint takes {"url": ...} and answers at once, a pool
of scrapers fetches the pages concurrently, and a forwarder posts them on. Everything waits in memory: what is under
way when the process ends is gone, and an exception in a worker is printed at best.

    python3 pipeline.py --listen 127.0.0.1:7490 --sink http://127.0.0.1:8080/pages
"""

import argparse
import asyncio
import time

from aiohttp import ClientSession, web

SCRAPERS = 8
FORWARDERS = 4


async def scrape(session, urls, pages):
    while True:
        url = await urls.get()
        try:
            async with session.get(url) as answer:
                answer.raise_for_status()
                body = await answer.text()
                await pages.put(
                    {
                        "url": url,
                        "status": answer.status,
                        "content_type": answer.headers.get("Content-Type", ""),
                        "body": body,
                        "fetched_at": time.time(),
                    }
                )
        except Exception as failure:  # without this the pool loses a worker, silently
            print("lost", url, failure, flush=True)


async def forward(session, pages, sink):
    while True:
        page = await pages.get()
        try:
            async with session.post(sink, json=page) as answer:
                answer.raise_for_status()
        except Exception as failure:
            print("lost", page["url"], failure, flush=True)


async def main():
    options = argparse.ArgumentParser()
    options.add_argument("--listen", default="127.0.0.1:7490")
    options.add_argument("--sink", required=True)
    options = options.parse_args()

    urls, pages = asyncio.Queue(), asyncio.Queue()

    async def intake(request):
        message = await request.json()
        urls.put_nowait(message["url"])
        return web.json_response({"accepted": True}, status=202)

    app = web.Application()
    app.router.add_post("/v1/queues/urls/messages", intake)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    host, port = options.listen.rsplit(":", 1)
    await web.TCPSite(runner, host, int(port)).start()
    async with ClientSession() as session:
        workers = [asyncio.create_task(scrape(session, urls, pages)) for _ in range(SCRAPERS)]
        workers += [asyncio.create_task(forward(session, pages, options.sink)) for _ in range(FORWARDERS)]
        print("ready", flush=True)
        await asyncio.gather(*workers)


if __name__ == "__main__":
    asyncio.run(main())
