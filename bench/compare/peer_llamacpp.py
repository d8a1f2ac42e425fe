"""llama.cpp's own llama-bench, compiled by setup.sh, on a GGUF file with made-up weights that is written
once and kept."""
import json
import os
import pathlib
import subprocess
import sys

import gguf
import numpy as np

import shapes

TYPES = {"f16": gguf.GGMLQuantizationType.F16, "q8_0": gguf.GGMLQuantizationType.Q8_0,
         "q4_0": gguf.GGMLQuantizationType.Q4_0}
LLAMA = pathlib.Path(sys.prefix) / "llama"


def write_model(path, kind, layers):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(8192)
    writer.add_embedding_length(shapes.HIDDEN)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(shapes.INNER)
    writer.add_head_count(shapes.HEADS)
    writer.add_head_count_kv(shapes.KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(1e6)
    writer.add_vocab_size(shapes.VOCABULARY)
    writer.add_tokenizer_model("no_vocab")
    random = np.random.default_rng(1)
    made = {}

    def add(name, outputs, inputs):
        if (outputs, inputs) not in made:
            values = random.standard_normal((outputs, inputs), dtype=np.float32) * 0.02
            made[outputs, inputs] = gguf.quants.quantize(values, TYPES[kind])
        writer.add_tensor(name, made[outputs, inputs], raw_dtype=TYPES[kind])

    def ones(name):
        writer.add_tensor(name, np.ones(shapes.HIDDEN, np.float32))

    add("token_embd.weight", shapes.VOCABULARY, shapes.HIDDEN)
    add("output.weight", shapes.VOCABULARY, shapes.HIDDEN)
    ones("output_norm.weight")
    for layer in range(layers):
        block = f"blk.{layer}."
        ones(block + "attn_norm.weight")
        ones(block + "ffn_norm.weight")
        add(block + "attn_q.weight", shapes.HEADS * shapes.HEAD_DIM, shapes.HIDDEN)
        add(block + "attn_k.weight", shapes.KV_HEADS * shapes.HEAD_DIM, shapes.HIDDEN)
        add(block + "attn_v.weight", shapes.KV_HEADS * shapes.HEAD_DIM, shapes.HIDDEN)
        add(block + "attn_output.weight", shapes.HIDDEN, shapes.HEADS * shapes.HEAD_DIM)
        add(block + "ffn_gate.weight", shapes.INNER, shapes.HIDDEN)
        add(block + "ffn_up.weight", shapes.INNER, shapes.HIDDEN)
        add(block + "ffn_down.weight", shapes.HIDDEN, shapes.INNER)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def bench(options, path, what):
    """One figure, after llama-bench's own run to warm up."""
    program = LLAMA / "bin" / "llama-bench"
    # With embeddings every token has an output: else the last layer would leave out all but one.
    command = [program, "-m", path, "-t", options.threads, "-r", 1, "-embd", 1, "-o", "jsonl", *what]
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    options = shapes.arguments(TYPES)
    path = pathlib.Path(options.work) / f"layers{options.layers}-{options.type}.gguf"
    if not path.exists():
        unfinished = path.with_suffix(".tmp")
        write_model(unfinished, options.type, options.layers)
        os.rename(unfinished, path)
    prefill = bench(options, path, ["-p", options.tokens, "-n", 0])
    decode = bench(options, path, ["-p", 0, "-n", shapes.DECODE_STEPS, "-d", options.tokens])
    print(json.dumps({
        "version": (LLAMA / "version").read_text().strip(),
        "prefill": options.tokens / prefill["avg_ts"] / options.layers,
        "decode": 1 / decode["avg_ts"] / options.layers}))


if __name__ == "__main__":
    main()
