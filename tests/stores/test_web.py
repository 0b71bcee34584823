"""A store that a web server shows, which can be read and not written."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from aiohttp import web
from click.testing import Result

from superconv_ray import open_store

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where a server lists and shows the folder of the sample store."""
    found: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = queue.Queue()

    async def serve() -> None:
        app = web.Application()
        app.router.add_static("/studies", STUDIES, show_index=True)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        end = asyncio.Event()
        found.put((asyncio.get_running_loop(), end, runner.addresses[0][1]))
        await end.wait()
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    loop, end, port = found.get(timeout=60)
    yield f"http://127.0.0.1:{port}/studies"
    loop.call_soon_threadsafe(end.set)
    thread.join()


def test_it_is_read_as_from_a_disk(address: str) -> None:
    there, here = open_store(f"{address}/results"), open_store(str(STUDIES / "results"))
    assert there.studies() == here.studies()
    trials, expected = there.trials("quickstart"), here.trials("quickstart")
    pd.testing.assert_frame_equal(trials, expected)


def test_a_run_is_refused_in_one_line(address: str, superconv: Callable[..., Result]) -> None:
    store = f"{address}/elsewhere"
    ran = superconv("run", STUDIES / "quickstart.py", "--local", "--store", store)
    assert ran.exit_code == 2, ran.stderr
    assert ran.stderr.endswith(
        f"error: the store {store} cannot be written: its filesystem can only be read\n"
    )
