"""PyTorch: the same layers in plain modules. int8 is its dynamic quantization, which rounds
activations to 7 bits."""
import torch
import torch.nn.functional as F

import shapes


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.kv_width = shapes.KV_HEADS * shapes.HEAD_DIM
        self.norm1 = torch.nn.RMSNorm(shapes.HIDDEN, eps=1e-5)
        self.norm2 = torch.nn.RMSNorm(shapes.HIDDEN, eps=1e-5)
        linear = lambda inputs, outputs: torch.nn.Linear(inputs, outputs, bias=False)
        self.qkv = linear(shapes.HIDDEN, shapes.HIDDEN + 2 * self.kv_width)
        self.out = linear(shapes.HIDDEN, shapes.HIDDEN)
        self.gate = linear(shapes.HIDDEN, shapes.INNER)
        self.up = linear(shapes.HIDDEN, shapes.INNER)
        self.down = linear(shapes.INNER, shapes.HIDDEN)
        self.past = None

    def turn(self, x, first):
        half = shapes.HEAD_DIM // 2
        angles = torch.outer(torch.arange(first, first + x.shape[1]).float(),
                             1e6 ** (-torch.arange(half).float() / half))
        cos, sin = angles.cos().to(x.dtype)[:, None], angles.sin().to(x.dtype)[:, None]
        a, b = x[..., :half], x[..., half:]
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    def forward(self, x):
        rows = x.shape[1]
        first = 0 if self.past is None else self.past[0].shape[2]
        q, k, v = self.qkv(self.norm1(x)).split((shapes.HIDDEN, self.kv_width, self.kv_width), -1)
        heads = lambda t: t.view(1, rows, -1, shapes.HEAD_DIM)
        q = self.turn(heads(q), first).transpose(1, 2)
        k = self.turn(heads(k), first).transpose(1, 2)
        v = heads(v).transpose(1, 2)
        if self.past is not None:
            k, v = torch.cat((self.past[0], k), 2), torch.cat((self.past[1], v), 2)
        self.past = k, v
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=rows > 1, enable_gqa=True)
        x = x + self.out(seen.transpose(1, 2).reshape(1, rows, -1))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


@torch.inference_mode()
def main():
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.float32}
    options = shapes.arguments(dtypes)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    dtype = dtypes[options.type]
    layers = torch.nn.Sequential(*(Layer().to(dtype) for _ in range(options.layers)))
    if options.type == "int8":
        layers = torch.ao.quantization.quantize_dynamic(layers, {torch.nn.Linear}, torch.qint8)
    prompt = torch.randn(1, options.tokens, shapes.HIDDEN).to(dtype)

    def prefill():
        for layer in layers:
            layer.past = None
        layers(prompt)

    shapes.report(options, f"PyTorch {torch.__version__}", prefill, lambda: layers(prompt[:, :1]))


if __name__ == "__main__":
    main()
