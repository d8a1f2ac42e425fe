#!/usr/bin/env python3
"""Asks `ixc serve` about a picture with OpenAI's own client: a streamed answer, a second question, and
an answer in a form that a program can read.

    pip install openai
    openai_client.py PICTURE [--server http://127.0.0.1:8000] [--key KEY]
"""
import argparse
import base64
import json
import mimetypes
import os
import pathlib

from openai import OpenAI

COUNTED = {
    "type": "object",
    "properties": {"count": {"type": "integer"}, "description": {"type": "string"}},
    "required": ["count", "description"],
    "additionalProperties": False,
}


def picture_part(path):
    """The picture as a part of a message."""
    kind = mimetypes.guess_type(path)[0] or "image/jpeg"
    data = base64.b64encode(pathlib.Path(path).read_bytes()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}


def stream(client, model, messages):
    """Prints the answer as it comes and returns it; what it cost is printed after it."""
    answer = ""
    for event in client.chat.completions.create(
            model=model, messages=messages, stream=True, stream_options={"include_usage": True}):
        if event.choices and event.choices[0].delta.content:
            answer += event.choices[0].delta.content
            print(event.choices[0].delta.content, end="", flush=True)
        if event.usage:
            cached = event.usage.prompt_tokens_details.cached_tokens
            print(f"\n  [{event.usage.prompt_tokens} prompt tokens, {cached} of them cached; "
                  f"{event.usage.completion_tokens} new]")
    return answer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture")
    parser.add_argument("--server", default="http://127.0.0.1:8000")
    parser.add_argument("--key", default=os.environ.get("IXC_API_KEY", "none"))
    options = parser.parse_args()
    client = OpenAI(base_url=options.server + "/v1", api_key=options.key)
    model = client.models.list().data[0].id

    question = {"role": "user", "content": [
        picture_part(options.picture),
        {"type": "text", "text": "Please describe this image in detail."}]}
    answer = stream(client, model, [question])

    # The picture is sent again, and not read again: the server remembers the conversation so far.
    messages = [question, {"role": "assistant", "content": answer},
                {"role": "user", "content": "How many objects are there?"}]
    stream(client, model, messages)

    formed = client.chat.completions.create(
        model=model, messages=[question], max_tokens=200,
        response_format={"type": "json_schema", "json_schema": {"name": "counted", "schema": COUNTED}})
    if formed.choices[0].finish_reason == "stop":
        print(json.loads(formed.choices[0].message.content))
    else:  # a model that was not taught JSON may not come to an end
        print("no end within 200 tokens:", formed.choices[0].message.content)


if __name__ == "__main__":
    main()
