#!/usr/bin/env python3
"""Writes tests/fuzz/seeds: small valid inputs of each format. Those of the weights need torch and
safetensors (`make_seeds.py --no-weights` leaves them alone); the seeds are kept in the repository,
so that fuzzing needs neither. The pictures come from tests/data/images."""
import json
import pathlib
import shutil
import struct
import sys
import zipfile

HERE = pathlib.Path(__file__).parent
SEEDS = HERE / "seeds"
MODELS = HERE.parent / "data" / "models"


def folder(name):
    path = SEEDS / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def tensors():
    import torch

    base = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    return {
        "contiguous": base,
        "transposed": base.t(),
        "half": base.half(),
        "bfloat16": base.bfloat16(),
        "bytes": torch.tensor([1, 2], dtype=torch.uint8),
        "scalar": torch.tensor(7),
        "empty": torch.empty(0, 3),
    }


def weights():
    import safetensors.torch
    import torch

    safe = folder("safetensors")
    whole = {name: tensor.contiguous() for name, tensor in tensors().items()}
    safetensors.torch.save_file(whole, safe / "all.safetensors", {"format": "pt"})
    safetensors.torch.save_file({}, safe / "none.safetensors")

    torch_bin, pickles = folder("torch_bin"), folder("torch_pickle")
    module = torch.nn.Linear(3, 2)
    files = {
        "tensors": tensors(),
        "module": module.state_dict(),
        "parameters": dict(module.named_parameters()),
        "nested": {"state_dict": module.state_dict(), "epoch": 3, "loss": 0.5, "tags": ["a", None]},
    }
    for name, content in files.items():
        path = torch_bin / f"{name}.bin"
        torch.save(content, path)
        with zipfile.ZipFile(path) as archive:
            (pickles / f"{name}.pkl").write_bytes(archive.read(f"{name}/data.pkl"))


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """A field of a protocol buffer message: an integer, a float or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tokenizer_model():
    normal, unknown, control, user_defined, byte = 1, 2, 3, 4, 6
    pieces = [("<unk>", unknown), ("<s>", control), ("</s>", control), ("[UNUSED_TOKEN_145]", user_defined)]
    pieces += [(text, normal) for text in ("a", "b", "ab", "\u2581", "\u2581ab", "\u4f60", "\u597d")]
    bytes_of = [(f"<0x{value:02X}>", byte) for value in range(256)]
    for name, with_bytes in (("letters", False), ("bytes", True)):
        message = b""
        for rank, (text, kind) in enumerate(pieces + bytes_of * with_bytes):
            message += field(1, field(1, text.encode()) + field(2, -float(rank)) + field(3, kind))
        message += field(2, field(3, 2) + field(35, int(with_bytes)))
        message += field(3, field(3, 0) + field(4, 0) + field(5, 1))
        yield name, message


def texts():
    values = {
        "empty": {}, "list": [1, -2, 2.5, 1e300, True, None, "x"], "nested": [[[[{"a": [{}]}]]]],
        "strings": {"\u4f60\u597d": "\u00e9\ud83d\ude00", "control": "\n\t\"\\\u0000"},
        "numbers": [0, 18446744073709551615, -9223372036854775808, 1e-320, 0.1],
    }
    for name, value in values.items():
        yield name, json.dumps(value).encode()


def command_lines():
    yield "batch", (b'{"image": "a.png", "prompt": "What?"}\n\n'
                    b'{"image": ["a.png", "/b.png"], "extra": 1}\n{"prompt": "No picture?"}\n')
    yield "history", b'[["Question?", "Answer."], ["<ImageHere>Again?", ""]]'
    yield "conversation", json.dumps({
        "format": "ixc-conversation", "version": 1, "system": "You are brief.",
        "pictures": [{"file": "a.png", "hd_num": 9}], "turns": [["<ImageHere>What?", "A cat."]],
    }).encode()
    yield "text", '"Hello <s> [UNUSED_TOKEN_145] \u4f60\u597d"'.encode()
    yield "ids", b"[1, 300, 5, 2]"


def descriptions():
    layer = "model.layers.0.attention.wqkv."
    for kind in ("W8A8", "W8A8S", "W8A8SC", "W8A8D", "W4"):
        fields = {"version": "1.0.0", "model_quant_type": kind, "group_size": 64,
                  "metadata": {"codec": "nibble-escape"}, layer + "weight": kind, layer + "input_scale": "FLOAT"}
        yield kind.lower(), b"\n" + json.dumps(fields).encode()
    yield "without-type", b"w8a8\n" + json.dumps({layer + "weight": "W8A8"}).encode()


def requests():
    pixel = "data:image/png;base64,iVBORw0KGgo="
    question = [{"type": "image_url", "image_url": {"url": pixel, "detail": "auto"}},
                {"type": "text", "text": "What?"}]
    yield "chat", json.dumps({
        "model": "m", "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 9,
        "temperature": 0.5, "top_p": 0.9, "top_k": 3, "seed": 1, "stop": ["a"], "n": 2,
        "logprobs": True, "top_logprobs": 2, "logit_bias": {"1": -1}, "hd_num": [4], "user": "u",
        "messages": [{"role": "system", "content": "Brief."}, {"role": "user", "content": "Hi"},
                     {"role": "assistant", "content": "Hello"}, {"role": "user", "content": question}],
    }).encode()
    point = {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}
    schema = {"$defs": {"p": point}, "type": "object", "additionalProperties": False, "properties": {
        "a": {"enum": ["x", 1]}, "b": {"type": "array", "items": {"$ref": "#/$defs/p"}, "minItems": 1},
        "c": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": ["null", "boolean"]}]}}}
    yield "schema", json.dumps({
        "model": "m", "messages": [{"role": "user", "content": "Hi"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}},
    }).encode()
    yield "text", json.dumps({"model": "m", "prompt": ["Once"], "logprobs": 1, "echo": False}).encode()


def data_urls():
    yield "png", b"data:image/png;base64,iVBORw0KGgo="
    yield "parameters", b"data:image/jpeg;charset=x;base64,/9j/"
    yield "bare", b"Zm9vYg=="


def write(name, seeds):
    path = folder(name)
    for seed, content in seeds:
        (path / seed).write_bytes(content)


def main():
    if "--no-weights" not in sys.argv:
        weights()
    write("tokenizer_model", tokenizer_model())
    write("json", texts())
    write("command_json", command_lines())
    write("detokenize", [("ids", bytes(range(64)))])
    write("quant_description", descriptions())
    write("openai_request", requests())
    write("data_url", data_urls())
    config = folder("config")
    (config / "lora_adapter.json").write_text('{"1": "../float"}')
    for source in sorted(MODELS.glob("*/*config.json")) + sorted(MODELS.glob("*/*.index.json")):
        if source.name != "tokenizer_config.json":
            shutil.copyfile(source, config / f"{source.parent.name}-{source.name}")


if __name__ == "__main__":
    main()
