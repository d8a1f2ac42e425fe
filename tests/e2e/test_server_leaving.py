"""Clients that leave while they are answered take nothing down with them."""
import socket
import struct
import unittest

from program import TINY_VL, ProgramTest
from running_server import RunningServer

REQUESTS = (
    b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
)


class Leaving(ProgramTest):
    def test_at_any_moment_of_an_answer(self):
        server = RunningServer(TINY_VL)
        host, port = server.url.removeprefix("http://").split(":")
        for turn in range(600):
            with socket.create_connection((host, int(port)), timeout=30) as client:
                client.sendall(REQUESTS[turn % 3])
                if turn % 5:
                    client.recv(turn % 5)
                if turn % 2:  # without a word, by a reset
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.assertTrue(server.is_ready())
        server.close()  # checks the exit code


if __name__ == "__main__":
    unittest.main()
