"""What a program does with the `openai` client; run by test_openai_client.py where it is installed."""
import json
import unittest

import openai
from program import IMAGES, TINY_VL
from server_process import Server, picture, text

EXAMPLES = TINY_VL / "examples"
KEY = "client-key-0123456789"


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import pathlib
        import tempfile
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        keys = pathlib.Path(folder.name) / "keys"
        keys.write_text(KEY + "\n")
        cls.server = Server("--api-keys", keys).__enter__()
        cls.addClassCleanup(cls.server.__exit__)
        cls.url = f"http://127.0.0.1:{cls.server.port}/v1"
        cls.client = openai.OpenAI(base_url=cls.url, api_key=KEY, max_retries=0)

    def chat(self, *content, history=(), **options):
        messages = [*history, {"role": "user", "content": list(content)}]
        return self.client.chat.completions.create(model="m", messages=messages, **options)

    def describe(self, *names, **options):
        pictures = [picture(EXAMPLES / name) for name in names]
        return self.chat(*pictures, text("Please describe this image in detail."), **options)

    def test_chat(self):
        answer = self.describe("shapes_2.png")
        self.assertIn("rectangle", answer.choices[0].message.content)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertGreater(answer.usage.completion_tokens, 5)
        self.assertEqual(answer.usage.total_tokens,
                         answer.usage.prompt_tokens + answer.usage.completion_tokens)

    def test_streaming(self):
        whole = self.describe("shapes_2.png").choices[0].message.content
        pieces, usage, ends = [], None, []
        for chunk in self.describe("shapes_2.png", stream=True,
                                   stream_options={"include_usage": True}):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                pieces.append(choice.delta.content or "")
                ends.append(choice.finish_reason)
        self.assertEqual("".join(pieces), whole)
        self.assertGreater(len([piece for piece in pieces if piece]), 5)
        self.assertEqual([end for end in ends if end], ["stop"])
        self.assertGreater(usage.prompt_tokens_details.cached_tokens, 0)

    def test_two_pictures(self):
        one = self.describe("shapes_1.png", max_tokens=5)
        two = self.describe("shapes_1.png", "shapes_2.png", max_tokens=5)
        self.assertGreater(two.usage.prompt_tokens, one.usage.prompt_tokens)

    def test_history(self):
        first = self.describe("shapes_2.png")
        history = [{"role": "user", "content": [picture(EXAMPLES / "shapes_2.png"), text(
            "Please describe this image in detail.")]},
            {"role": "assistant", "content": first.choices[0].message.content}]
        second = self.chat(text("How many objects are there?"), history=history)
        self.assertGreaterEqual(second.usage.prompt_tokens_details.cached_tokens,
                                first.usage.prompt_tokens)
        self.assertTrue(second.choices[0].message.content)

    def test_system(self):
        default = self.chat(text("Hi"), max_tokens=1)
        none = self.chat(text("Hi"), max_tokens=1, history=[{"role": "system", "content": ""}])
        self.assertLess(none.usage.prompt_tokens, default.usage.prompt_tokens)

    def test_stop(self):
        whole = self.describe("shapes_2.png").choices[0].message.content
        word = whole.split()[4]
        cut = self.describe("shapes_2.png", stop=[word, "never"]).choices[0]
        self.assertEqual(cut.message.content, whole[:whole.index(word)])
        self.assertEqual(cut.finish_reason, "stop")

    def test_length(self):
        answer = self.describe("shapes_2.png", max_completion_tokens=4)
        self.assertEqual(answer.choices[0].finish_reason, "length")
        self.assertEqual(answer.usage.completion_tokens, 4)

    def test_seed(self):
        def sample(seed):
            answer = self.describe("shapes_2.png", temperature=2, top_p=1, seed=seed, n=2,
                                   max_tokens=40, extra_body={"top_k": 0})
            return [choice.message.content for choice in answer.choices]
        first = sample(7)
        self.assertEqual(first, sample(7))
        self.assertNotEqual(first[0], first[1])
        self.assertNotEqual(first, sample(8))

    def test_logprobs(self):
        answer = self.describe("shapes_2.png", logprobs=True, top_logprobs=3, max_tokens=6)
        content = answer.choices[0].logprobs.content
        self.assertEqual(len(content), 6)
        for token in content:
            self.assertLessEqual(token.logprob, 0)
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertEqual(token.top_logprobs[0].logprob, token.logprob)  # greedy
        spelled = b"".join(bytes(token.bytes) for token in content).decode()
        self.assertEqual(spelled.strip(), answer.choices[0].message.content.strip())

    def test_bias(self):
        plain = self.describe("shapes_2.png", max_tokens=1, logprobs=True)
        first = plain.choices[0].logprobs.content[0].token
        tokens = self.server.request("POST", "/tokenize",
                                     {"prompt": first, "add_special_tokens": False},
                                     {"Authorization": f"Bearer {KEY}"})[2]["tokens"]
        other = self.describe("shapes_2.png", max_tokens=1, logprobs=True,
                              logit_bias={str(token): -100 for token in tokens})
        self.assertNotEqual(other.choices[0].logprobs.content[0].token, first)

    def test_json_schema(self):
        schema = {"type": "object", "additionalProperties": False,
                  "required": ["count", "colors", "dark"],
                  "properties": {"count": {"type": "integer"}, "dark": {"type": "boolean"},
                                 "colors": {"type": "array", "maxItems": 3,
                                            "items": {"enum": ["red", "green", "blue"]}}}}
        answer = self.describe("shapes_2.png", temperature=1, seed=3, response_format={
            "type": "json_schema", "json_schema": {"name": "scene", "schema": schema,
                                                   "strict": True}})
        content = json.loads(answer.choices[0].message.content)
        self.assertEqual(list(content), ["count", "dark", "colors"])
        self.assertLessEqual(set(content["colors"]), {"red", "green", "blue"})

    def test_json_object(self):
        answer = self.chat(text("Hi"), response_format={"type": "json_object"}, max_tokens=300)
        if answer.choices[0].finish_reason == "stop":
            self.assertIsInstance(json.loads(answer.choices[0].message.content), dict)

    def test_completions(self):
        answer = self.client.completions.create(model="m", prompt="The image shows", max_tokens=5)
        self.assertTrue(answer.choices[0].text)

    def test_models(self):
        self.assertEqual([model.id for model in self.client.models.list()], ["m"])
        self.assertEqual(self.client.models.retrieve("m").id, "m")

    def test_wrong_key(self):
        other = openai.OpenAI(base_url=self.url, api_key="wrong", max_retries=0)
        with self.assertRaises(openai.AuthenticationError) as caught:
            other.models.list()
        self.assertEqual(caught.exception.code, "invalid_api_key")

    def test_too_long(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(text("word " * 10000))
        self.assertEqual(caught.exception.code, "context_length_exceeded")

    def test_bad_picture(self):
        part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,Zm9v"}}
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(part)
        self.assertEqual(caught.exception.code, "invalid_image")

    def test_unknown_model(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client.chat.completions.create(
                model="gpt", messages=[{"role": "user", "content": "Hi"}])
        self.assertEqual(caught.exception.code, "model_not_found")

    def test_unknown_field(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(text("Hi"), extra_body={"best_off": 1})
        self.assertEqual(caught.exception.param, "best_off")
        self.assertTrue((IMAGES / "cat.png").exists())


if __name__ == "__main__":
    unittest.main()
