"""A TCP proxy in a process of its own, in front of a server: it cuts connections, or lets nothing pass."""
import asyncio
import contextlib
import multiprocessing
import random

from fleet import free_port, listens, wait_until

PASS, CUT_SOME, REFUSE, SILENCE = range(4)
# Between two looks at what to do with the connections.
PAUSE_S = 0.05
# One connection in so many is cut at each look.
ONE_IN = 10


class Proxy:
    def __init__(self, stack: contextlib.ExitStack, server_port: int, seed: int) -> None:
        self.port, self.mode = free_port(), multiprocessing.Value("i", PASS)
        process = multiprocessing.Process(target=run, args=(self.port, server_port, self.mode, seed), daemon=True)
        process.start()
        stack.callback(process.kill)
        wait_until("the proxy listens", lambda: listens(self.port))

    def make(self, mode: int) -> None:
        self.mode.value = mode


def run(port: int, server_port: int, mode, seed: int) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(port, server_port, mode, random.Random(seed)))


async def serve(port: int, server_port: int, mode, chance: random.Random) -> None:
    writers = set()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if mode.value != SILENCE:
                    writer.write(data)
                    await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with contextlib.suppress(OSError):
            if mode.value != REFUSE:
                server_reader, server_writer = await asyncio.open_connection("127.0.0.1", server_port)
                await asyncio.gather(pipe(reader, server_writer), pipe(server_reader, writer))
        writer.close()
        writers.discard(writer)

    async with await asyncio.start_server(accept, "127.0.0.1", port):
        while True:
            await asyncio.sleep(PAUSE_S)
            for writer in list(writers):
                if mode.value == REFUSE or (mode.value == CUT_SOME and chance.randrange(ONE_IN) == 0):
                    writer.transport.abort()
