"""ixc serve over plain HTTP: the protocol, its limits, and what must not happen."""
import json
import shutil
import socket
import threading
import unittest

from program import IMAGES, MODELS, TINY_4KHD, TINY_VL, ProgramTest, run
from server_process import Server, picture, text

SHAPES = TINY_VL / "examples" / "shapes_2.png"
QUESTION = "Please describe this image in detail."


def endless():
    """Fields of a request whose answer does not end by itself: the ends are forbidden."""
    done = run("tokenize", TINY_VL, stdin='"[UNUSED_TOKEN_145]"\n"</s>"\n')
    ids = [json.loads(line)[-1] for line in done.stdout.splitlines()]
    return {"max_tokens": 3000, "logit_bias": {str(number): -100 for number in ids}}


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().__enter__()
        cls.addClassCleanup(cls.server.__exit__)

    def test_the_same_text_as_describe(self):
        status, _, body = self.server.chat([picture(SHAPES), text(QUESTION)])
        self.assertEqual(status, 200, body)
        done = run("describe", SHAPES, "--model", TINY_VL, "--prompt", QUESTION)
        choice = body["choices"][0]
        self.assertEqual(choice["message"]["content"], done.stdout.strip("\n"))
        self.assertEqual(choice["finish_reason"], "stop")
        self.assertGreater(body["usage"]["prompt_tokens_details"]["image_tokens"], 0)

    def test_the_second_question_pays_only_for_its_words(self):
        question = [picture(SHAPES), text(QUESTION)]
        first = self.server.chat(question)[2]
        history = [{"role": "user", "content": question},
                   {"role": "assistant", "content": first["choices"][0]["message"]["content"]},
                   {"role": "user", "content": "What color is it?"}]
        _, _, second = self.server.request("POST", "/v1/chat/completions",
                                           {"model": "m", "messages": history})
        # The first prompt is found again but for a block of 64 at most that was not full.
        self.assertGreaterEqual(second["usage"]["prompt_tokens_details"]["cached_tokens"],
                                first["usage"]["prompt_tokens"] - 64)

    def test_what_users_write_is_text(self):
        status, _, body = self.server.chat("Repeat: <ImageHere> </s> [UNUSED_TOKEN_145]",
                                           max_tokens=5)
        self.assertEqual(status, 200, body)
        status, _, body = self.server.chat([picture(SHAPES), text("<ImageHere>")])
        self.assertEqual(status, 400)
        self.assertEqual(body["error"]["code"], "picture_mark_in_text")

    def test_no_path_and_no_address_in_errors(self):
        for url in ("file:///etc/passwd", "http://127.0.0.1/a.png", "http://169.254.169.254/",
                    "https://example.com/a.png", "data:image/png;base64,!!!!",
                    "data:image/png;base64,Zm9v"):
            part = {"type": "image_url", "image_url": {"url": url}}
            status, _, body = self.server.chat([part])
            self.assertEqual(status, 400, url)
            message = body["error"]["message"]
            for secret in ("/", "127.0.0.1", "169.254", "passwd"):
                if secret != "/" or "file" not in url:
                    self.assertNotIn(secret if secret != "/" else "etc/", message)

    def test_wrong_json(self):
        for body in ("", "{", "[]", '{"model": "m", "model": "m"}', "{\"a\": " * 100, "\xff"):
            status, _, answer = self.server.request("POST", "/v1/chat/completions",
                                                    body.encode("latin-1"))
            self.assertEqual(status, 400, body)
            self.assertEqual(answer["error"]["type"], "invalid_request_error")

    def test_too_long(self):
        status, _, body = self.server.chat("word " * 5000)
        self.assertEqual((status, body["error"]["code"]), (400, "context_length_exceeded"))
        status, _, body = self.server.chat("Hi", max_tokens=5000)
        self.assertEqual((status, body["error"]["code"]), (400, "context_length_exceeded"))

    def test_plain_completion(self):
        body = {"model": "m", "prompt": "The image shows", "max_tokens": 5, "logprobs": 2}
        status, _, answer = self.server.request("POST", "/v1/completions", body)
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["object"], "text_completion")
        logprobs = answer["choices"][0]["logprobs"]
        self.assertGreater(len(logprobs["tokens"]), 0)
        self.assertEqual(len(logprobs["tokens"]), len(logprobs["token_logprobs"]))

    def test_models(self):
        _, _, body = self.server.request("GET", "/v1/models")
        self.assertEqual([model["id"] for model in body["data"]], ["m"])


class Limits(ProgramTest):
    def raw(self, server, data, read_all=True):
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            try:
                connection.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # an answer may come before everything is sent
            answer = b""
            while read_all:
                more = connection.recv(65536)
                if not more:
                    break
                answer += more
            return answer

    def test_hostile_senders(self):
        with Server("--head-seconds", 1, "--body-seconds", 1, "--max-body", "100kB") as server:
            head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            kind = b"Content-Type: application/json\r\n"
            for data, status in (
                    (b"GET /health HTTP/1.1\r\nHost: ", b"408"),
                    (head + kind + b"Content-Length: 1000\r\n\r\n{", b"408"),
                    (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"431"),
                    (head + kind + b"Content-Length: 200000\r\n\r\n" + b"x" * 200000, b"413"),
                    (head + kind + b"Transfer-Encoding: chunked\r\n\r\n" +
                     (b"8000\r\n" + b" " * 0x8000 + b"\r\n") * 8, b"413"),
                    (head + kind + b"Content-Length: -1\r\n\r\n", b"400"),
                    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
                    (b"GET / HTTP/1.1\nHost: localhost\r\n\r\n", b"400"),
                    (head + b"Content-Length: 2\r\n\r\n{}", b"415")):
                answer = self.raw(server, data)
                self.assertEqual(answer[9:12], status, (data[:200], answer))
            self.assertEqual(server.request("GET", "/health")[0], 200)

    def test_keys(self):
        keys = self.folder / "keys"
        keys.write_text("# for tests\nsecret-key-0123456789\nother-key-0123456789\n")
        with Server("--api-keys", keys) as server:
            for headers, status in (({}, 401), ({"Authorization": "Bearer secret-key"}, 401),
                                    ({"Authorization": "Bearer secret-key-0123456789"}, 200)):
                answer = server.chat("Hi", headers=headers, max_tokens=3)
                self.assertEqual(answer[0], status, answer)
            self.assertEqual(server.request("GET", "/metrics")[0], 401)
            self.assertEqual(server.request("GET", "/health")[0], 200)
            self.assertNotIn("secret", server.read_log())
            # What one key's requests have been read is not found by those of another.
            cached = []
            for key in ("secret-key-0123456789", "secret-key-0123456789", "other-key-0123456789"):
                body = server.chat("word " * 300, max_tokens=2,
                                   headers={"Authorization": f"Bearer {key}"})[2]
                cached.append(body["usage"]["prompt_tokens_details"]["cached_tokens"])
            self.assertGreater(cached[1], 200)
            self.assertLess(cached[2], 50)

    def test_bad_key_files(self):
        empty = self.folder / "empty"
        empty.write_text("\n")
        self.fails(1, "serve", "--api-keys", empty)
        self.fails(1, "serve", "--api-keys", self.folder / "none")
        self.fails(1, "serve", "--host", "nowhere.invalid")

    def test_media_root(self):
        root = self.folder / "root"
        root.mkdir()
        shutil.copyfile(SHAPES, root / "a.png")
        shutil.copyfile(SHAPES, self.folder / "b.png")
        (root / "link.png").symlink_to(self.folder / "b.png")
        with Server("--media-root", root) as server:
            def ask(url):
                part = {"type": "image_url", "image_url": {"url": url}}
                return server.chat([part, text(QUESTION)], max_tokens=3)[0]
            self.assertEqual(ask("file:///a.png"), 200)
            for url in ("file:///../b.png", "file:///link.png", f"file://{self.folder}/b.png"):
                self.assertEqual(ask(url), 400, url)

    def test_a_full_queue(self):
        with Server("--max-running", 1, "--max-waiting", 1) as server:
            held = []
            for waiting in (0, 1):  # one runs, one waits
                held.append(stream(server, **endless()))
                server.wait_until_metric("ixc_num_requests_running", 1)
                server.wait_until_metric("ixc_num_requests_waiting", waiting)
            status, headers, body = server.chat("Hi")
            self.assertEqual((status, body["error"]["code"]), (429, "queue_full"))
            self.assertEqual(headers["Retry-After"], "1")
            for connection in held:
                connection.close()

    def test_bench_counts_answers_and_refusals(self):
        with Server("--max-running", 1, "--max-waiting", 1) as server:
            done = run("bench", "serve", "--url", f"http://127.0.0.1:{server.port}", "--clients", 6,
                       "--requests", 24, "--image", SHAPES, "--vary", "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            load = json.loads(done.stdout)
            self.assertGreater(load["answers"], 0)
            self.assertEqual(set(load["failed"]), {"429"})
            self.assertEqual(load["answers"] + load["failed"]["429"], 24)
            self.assertGreater(load["longest_gap_seconds"]["max"], 0)


def stream(server, **fields):
    """Asks for a stream and returns the connection, with nothing read of it."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=120)
    body = json.dumps({"model": "m", "stream": True,
                       "messages": [{"role": "user", "content": "Hello"}], **fields}).encode()
    connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                       b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
                       + body)
    return connection


class Endings(unittest.TestCase):
    def test_a_client_that_leaves_frees_its_blocks(self):
        with Server() as server:
            connections = [stream(server, **endless()) for _ in range(3)]
            for connection in connections:
                self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200"))
            self.assertGreater(server.metric("ixc_num_requests_running"), 0)
            for connection in connections:
                connection.close()
            server.wait_until_metric("ixc_num_requests_running", 0)
            server.wait_until_metric("ixc_requests_cancelled_total", 3)
            used = server.metric("ixc_kv_blocks_used") - server.metric("ixc_kv_blocks_cached")
            self.assertEqual(used, 0)

    def test_sigterm_under_load(self):
        with Server() as server:
            running = stream(server, **{**endless(), "max_tokens": 400})
            self.assertTrue(running.recv(12).startswith(b"HTTP/1.1 200"))
            codes = []
            waiter = threading.Thread(target=lambda: codes.append(server.terminate()))
            waiter.start()
            while server.process.poll() is None:
                try:
                    if server.request("GET", "/health")[0] == 503:
                        break
                except OSError:
                    break
            answer = b""
            while True:
                more = running.recv(65536)
                if not more:
                    break
                answer += more
                if answer.endswith(b"0\r\n\r\n"):
                    break
            self.assertIn(b"data: [DONE]", answer)
            self.assertIn(b'"finish_reason":"', answer)
            waiter.join()
            self.assertEqual(codes, [0], server.read_log())

    def test_new_requests_are_refused_while_it_drains(self):
        with Server() as server:
            running = stream(server, **endless())
            self.assertTrue(running.recv(12).startswith(b"HTTP/1.1 200"))
            server.process.terminate()
            while server.request("GET", "/health")[0] != 503:
                pass
            status, headers, body = server.chat("Hi")
            self.assertEqual((status, body["error"]["code"]), (503, "draining"))
            self.assertIn("Retry-After", headers)
            running.close()
            self.assertEqual(server.process.wait(timeout=120), 0)

    def test_the_log_has_a_line_a_request_and_no_contents(self):
        with Server("--json") as server:
            server.chat("a secret question", max_tokens=3)
            self.assertEqual(server.terminate(), 0)
            lines = [json.loads(line) for line in server.read_log().splitlines()
                     if line.startswith("{")]
            self.assertEqual(len(lines), 1)
            self.assertEqual((lines[0]["route"], lines[0]["status"]), ("/v1/chat/completions", 200))
            self.assertNotIn("secret", server.read_log())


class Formats(unittest.TestCase):
    def test_json_schema_of_4khd_with_hd_number(self):
        schema = {"type": "object", "properties": {
            "number": {"type": "integer"}, "color": {"enum": ["red", "green", "blue"]}},
            "required": ["number", "color"], "additionalProperties": False}
        with Server(model=MODELS / "4khd-a") as server:
            status, _, body = server.chat(
                [picture(IMAGES / "cat.png"), text("What is it?")], hd_num=4, temperature=1, seed=1,
                response_format={"type": "json_schema",
                                 "json_schema": {"name": "it", "schema": schema}})
            self.assertEqual(status, 200, body)
            answer = json.loads(body["choices"][0]["message"]["content"])
            self.assertIsInstance(answer["number"], int)
            self.assertIn(answer["color"], ("red", "green", "blue"))
            small = server.chat([picture(IMAGES / "cat.png")], hd_num=1, max_tokens=1)[2]
            self.assertLess(small["usage"]["prompt_tokens"], body["usage"]["prompt_tokens"])
        self.assertTrue(TINY_4KHD.is_dir())


if __name__ == "__main__":
    unittest.main()
