"""OpenVINO: the layers as a graph with a KV cache that is kept between calls (opset 13); weights
compressed the way its own tools do it: f16, int8 a scale a row, int4 a scale for every 128."""
import numpy as np
import openvino as ov
from openvino import opset13 as op

import shapes

GROUP = 128
random = np.random.default_rng(1)
kept = []  # constants share memory with these


def constant(values, dtype=np.float32):
    return op.constant(np.asarray(values, dtype))


def weights(outputs, inputs, kind):
    if kind == "f16":
        values = random.standard_normal((outputs, inputs), dtype=np.float32) * 0.02
        return op.convert(op.constant(values.astype(np.float16)), "f32")
    if kind == "int8":
        values = op.constant(random.integers(-127, 128, (outputs, inputs), dtype=np.int8))
        scaled = op.multiply(op.convert(values, "f16"),
                             op.constant(np.full((outputs, 1), 3e-4, np.float16)))
        return op.convert(scaled, "f32")
    groups = inputs // GROUP
    packed = random.integers(0, 256, outputs * inputs // 2, dtype=np.uint8)
    tensor = ov.Tensor(packed, ov.Shape([outputs, groups, GROUP]), ov.Type.i4)
    kept.extend((packed, tensor))
    scaled = op.multiply(op.convert(op.constant(tensor), "f16"),
                         op.constant(np.full((outputs, groups, 1), 4e-3, np.float16)))
    return op.convert(op.reshape(scaled, constant([outputs, inputs], np.int64), False), "f32")


def norm(x):
    square = op.reduce_mean(op.multiply(x, x), constant([-1], np.int64), True)
    return op.divide(x, op.sqrt(op.add(square, constant(1e-5))))


def heads(x, count):
    split = op.reshape(x, constant([1, -1, count, shapes.HEAD_DIM], np.int64), False)
    return op.transpose(split, constant([0, 2, 1, 3], np.int64))


def turn(x, cos, sin):
    a, b = op.split(x, constant(3, np.int64), 2).outputs()
    return op.concat([op.subtract(op.multiply(a, cos), op.multiply(b, sin)),
                      op.add(op.multiply(b, cos), op.multiply(a, sin))], 3)


def remembered(name, new, sinks):
    """What was stored under this name, with `new` behind it."""
    empty = constant(np.zeros((1, shapes.KV_HEADS, 0, shapes.HEAD_DIM)))
    past = op.read_value(empty, name, ov.Type.f32,
                         ov.PartialShape([1, shapes.KV_HEADS, -1, shapes.HEAD_DIM]))
    whole = op.concat([past, new], 2)
    sinks.append(op.assign(whole, name))
    repeated = op.unsqueeze(whole, constant(2, np.int64))
    group = shapes.HEADS // shapes.KV_HEADS
    repeated = op.broadcast(repeated, op.concat(
        [constant([1, shapes.KV_HEADS, group], np.int64),
         op.gather(op.shape_of(whole), constant([2, 3], np.int64), constant(0, np.int64))], 0))
    return op.reshape(repeated, constant([1, shapes.HEADS, -1, shapes.HEAD_DIM], np.int64), False)


def build(kind, layers):
    x = op.parameter([1, -1, shapes.HIDDEN], np.float32, name="x")
    positions = op.parameter([-1, 1], np.float32, name="positions")
    mask = op.parameter([1, 1, -1, -1], np.float32, name="mask")
    half = shapes.HEAD_DIM // 2
    angles = op.multiply(positions, constant(1e6 ** (-np.arange(half) / half)[None]))
    cos, sin = op.cos(angles), op.sin(angles)
    hidden, sinks = x, []
    linear = lambda y, outputs, inputs: op.matmul(y, weights(outputs, inputs, kind), False, True)
    for i in range(layers):
        y = norm(hidden)
        width = shapes.KV_HEADS * shapes.HEAD_DIM
        q = turn(heads(linear(y, shapes.HIDDEN, shapes.HIDDEN), shapes.HEADS), cos, sin)
        k = turn(heads(linear(y, width, shapes.HIDDEN), shapes.KV_HEADS), cos, sin)
        v = heads(linear(y, width, shapes.HIDDEN), shapes.KV_HEADS)
        seen = op.scaled_dot_product_attention(q, remembered(f"k{i}", k, sinks),
                                               remembered(f"v{i}", v, sinks), mask, causal=False)
        seen = op.reshape(op.transpose(seen, constant([0, 2, 1, 3], np.int64)),
                          constant([1, -1, shapes.HIDDEN], np.int64), False)
        hidden = op.add(hidden, linear(seen, shapes.HIDDEN, shapes.HIDDEN))
        y = norm(hidden)
        gate = op.swish(linear(y, shapes.INNER, shapes.HIDDEN))
        inner = op.multiply(gate, linear(y, shapes.INNER, shapes.HIDDEN))
        hidden = op.add(hidden, linear(inner, shapes.HIDDEN, shapes.INNER))
    return ov.Model([op.result(hidden)], sinks, [x, positions, mask])


def main():
    options = shapes.arguments(("f16", "int8", "int4"))
    model = ov.Core().compile_model(build(options.type, options.layers), "CPU", {
        "INFERENCE_NUM_THREADS": options.threads, "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32"})  # as ixc; where there is bf16 it would round to that
    request = model.create_infer_request()
    prompt = random.standard_normal((1, options.tokens, shapes.HIDDEN), dtype=np.float32)
    future = np.triu(np.full((options.tokens, options.tokens), -np.inf, np.float32), 1)
    known = 0

    def feed(x, mask):
        nonlocal known
        rows = x.shape[1]
        request.infer([x, np.arange(known, known + rows, dtype=np.float32)[:, None],
                       mask[None, None]])
        known += rows

    def prefill():
        nonlocal known
        request.reset_state()
        known = 0
        feed(prompt, future)

    shapes.report(options, f"OpenVINO {ov.__version__.split('-')[0]}", prefill,
                  lambda: feed(prompt[:, :1], np.zeros((1, known + 1), np.float32)))


if __name__ == "__main__":
    main()
