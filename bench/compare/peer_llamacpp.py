"""llama.cpp through cyllama: a GGUF file with made-up weights is written once and kept."""
import os
import pathlib

import cyllama
import gguf
import numpy as np
from cyllama.llama import llama_cpp

import shapes

TYPES = {"f16": gguf.GGMLQuantizationType.F16, "q8_0": gguf.GGMLQuantizationType.Q8_0,
         "q4_0": gguf.GGMLQuantizationType.Q4_0}


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


def main():
    options = shapes.arguments(TYPES)
    path = pathlib.Path(options.work) / f"layers{options.layers}-{options.type}.gguf"
    if not path.exists():
        unfinished = path.with_suffix(".tmp")
        write_model(unfinished, options.type, options.layers)
        os.rename(unfinished, path)
    llama_cpp.disable_logging()
    llama_cpp.ggml_backend_load_all()
    llama_cpp.llama_backend_init()
    model = llama_cpp.LlamaModel(str(path), llama_cpp.LlamaModelParams())
    params = llama_cpp.LlamaContextParams()
    params.n_ctx = options.tokens + 64
    params.n_batch = options.tokens
    params.n_threads = params.n_threads_batch = options.threads
    context = llama_cpp.LlamaContext(model, params)
    position = 0

    def feed(count):
        nonlocal position
        batch = llama_cpp.LlamaBatch(n_tokens=count, embd=0, n_seq_max=1)
        for i in range(count):
            # Output for every token: else the last layer would leave out all but one.
            batch.add(1 + i % 200, position + i, [0], True)
        context.decode(batch)
        context.synchronize()
        position += count

    def prefill():
        nonlocal position
        context.kv_cache_clear()
        position = 0
        feed(options.tokens)

    shapes.report(options, f"llama.cpp of cyllama {cyllama.__version__}", prefill, lambda: feed(1))


if __name__ == "__main__":
    main()
