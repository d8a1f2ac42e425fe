"""The hostile corpus: files that attack each parser of the program, made from a few lines each.
hostile_errors.tsv has the error line that each must end in.

A case is (name, make, arguments): make(folder) writes the files, and `stdin` for those that attack
that way; `arguments` run ixc in the folder.
`python3 hostile_files.py FOLDER` writes all of them, each into a folder of its name.
"""
import json
import os
import pathlib
import pickle
import shutil
import socket
import struct
import sys
import zlib

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
VL = DATA / "models" / "vl-a"
IMAGES = DATA / "images"
CASES = []


def case(name, arguments):
    """Registers the function below as the maker of a case."""
    def register(make):
        CASES.append((name, make, arguments))
        return make
    return register


def bytes_of(content):
    """Large contents are functions, called when the file is written."""
    return content() if callable(content) else content


# --- a model directory around one bad file --------------------------------------------------------

def model(folder, **files):
    """A good VL directory in which `files` (bytes, or None: left out) take the place of the good
    ones. Dots in names are written as __."""
    folder.mkdir(exist_ok=True)
    for source in VL.iterdir():
        shutil.copyfile(source, folder / source.name)
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)


def config(**changes):
    """The good config.json with some fields changed."""
    return json.dumps({**json.loads((VL / "config.json").read_text()), **changes}).encode()


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def weights_case(name, content):
    @case("safetensors-" + name, ["inspect", "."])
    def make(folder):
        model(folder, model__safetensors=bytes_of(content))
    return make


def bin_case(name, content):
    @case("bin-" + name, ["inspect", "."])
    def make(folder):
        model(folder, model__safetensors=None, pytorch_model__bin=bytes_of(content))
    return make


# --- safetensors ----------------------------------------------------------------------------------

ONE = {"t": tensor("F32", [2], 0, 8)}

weights_case("empty", b"")
weights_case("header-of-2^64-bytes", b"\xff" * 8 + b".")
weights_case("header-longer-than-file", struct.pack("<Q", 4096) + b".")
weights_case("header-too-long", lambda: safetensors(b" " * ((8 << 20) + 1)))
weights_case("name-without-end", lambda: safetensors(b'{"' + b"x" * ((8 << 20) - 2)))
weights_case("not-json", safetensors(b"{'t': 1}"))
weights_case("not-an-object", safetensors(b"[]"))
weights_case("key-twice", safetensors(
    b'{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
    b'"t":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', b"ab"))
weights_case("overlap", safetensors(
    {"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 2, 6)}, b"abcdef"))
weights_case("hole", safetensors(
    {"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 4, 6)}, b"abcdef"))
weights_case("hidden-bytes-at-the-end", safetensors(ONE, bytes(20)))
weights_case("beyond-the-end", safetensors(ONE, bytes(4)))
weights_case("offsets-backwards", safetensors({"t": tensor("F32", [2], 8, 0)}, bytes(8)))
weights_case("offsets-overflow", safetensors(
    {"t": tensor("U8", [1], 2**64 - 2, 2**64 - 1)}))
weights_case("elements-overflow", safetensors(
    {"t": tensor("F32", [2**32, 2**32], 0, 0)}))
weights_case("bytes-overflow", safetensors(
    {"t": tensor("F64", [2**61], 0, 0)}))
weights_case("negative-dimension", safetensors({"t": tensor("F32", [-2], 0, 8)}, bytes(8)))
weights_case("17-dimensions", safetensors({"t": tensor("F32", [1] * 17, 0, 4)}, bytes(4)))
weights_case("unknown-dtype", safetensors({"t": tensor("F128", [1], 0, 16)}, bytes(16)))
weights_case("deep-json", safetensors(b'{"t":' + b"[" * 100_000 + b"]" * 100_000 + b"}"))
weights_case("too-many-values", lambda: safetensors(
    b'{"t":[' + b"0," * 600_000 + b"0]}"))
weights_case("too-many-tensors", lambda: safetensors(
    b"{" + b",".join(b'"%d":0' % i for i in range(600_000)) + b"}"))
weights_case("name-that-moves-the-cursor", safetensors(
    {"\x1b[2J\n\x07\u202eerror": tensor("F32", [1], 0, 8)}, bytes(8)))
weights_case("name-of-a-megabyte", lambda: safetensors(
    {"x" * 1_000_000: tensor("F32", [1], 0, 8)}, bytes(8)))
weights_case("pointer-of-git-lfs",
             b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 3\n")


# --- torch .bin: zip and pickle -------------------------------------------------------------------

def zip_file(entries, **directory):
    """A stored zip. An entry is (name, data) or (name, data, fields), where fields change what the
    archive says about it."""
    body, records = b"", b""
    for name, data, *fields in entries:
        fields = fields[0] if fields else {}
        offset = fields.get("offset", len(body))
        size = fields.get("size", len(data))
        method, flags = fields.get("method", 0), fields.get("flags", 0)
        crc = zlib.crc32(data) ^ fields.get("crc_error", 0)
        local = fields.get("local_name", name).encode()
        common = struct.pack("<HHHHHIIIHH", 20, flags, method, 0, 0, crc, size,
                             fields.get("unpacked", size), len(name), 0)
        if not fields.get("no_body"):
            body += b"PK\3\4" + common[:-4] + struct.pack("<HH", len(local), 0) + local + data
        records += (b"PK\1\2" + struct.pack("<H", 20) + common
                    + struct.pack("<HHHII", 0, 0, 0, 0, offset) + name.encode())
    count = directory.get("count", len(entries))
    end = struct.pack("<HHHHIIH", 0, 0, count & 0xffff, count & 0xffff,
                      directory.get("size", len(records)), directory.get("offset", len(body)), 0)
    locator = b""
    if "zip64_at" in directory:
        locator = b"PK\6\7" + struct.pack("<IQI", 0, directory["zip64_at"], 1)
    elif "zip64_count" in directory:
        at = len(body) + len(records)
        locator = (b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, directory["zip64_count"],
                                           directory["zip64_count"], len(records), len(body))
                   + b"PK\6\7" + struct.pack("<IQI", 0, at, 1))
    return body + records + locator + b"PK\5\6" + end


def torch_bin(data_pickle, storage=bytes(24)):
    return zip_file([("m/data.pkl", data_pickle), ("m/data/0", storage)])


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def integer(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def sizes(values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def pickled(items):
    return b"\x80\x02}(" + items + b"u."


def pickled_tensor(shape, strides, offset=0, elements=6, key="0", storage="FloatStorage"):
    return (text("t") + b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage")
            + b"ctorch\n" + storage.encode() + b"\n" + text(key) + text("cpu") + integer(elements)
            + b"tQ" + integer(offset) + sizes(shape) + sizes(strides)
            + b"\x89ccollections\nOrderedDict\n)RtR")


class Command:
    """Runs a shell command when unpickled by a reader that runs what it reads."""

    def __reduce__(self):
        return os.system, ("touch executed",)


def tensor_case(name, *arguments, **options):
    bin_case(name, torch_bin(pickled(pickled_tensor(*arguments, **options))))


bin_case("runs-a-command", torch_bin(pickle.dumps({"t": Command()}, protocol=2)))
bin_case("runs-eval", torch_bin(pickled(text("t") + b"c__builtin__\neval\n(" + text("1") + b"tR")))
bin_case("imports-by-name-on-the-stack",
         torch_bin(b"\x80\x02" + text("os") + text("system") + b"\x93."))
bin_case("protocol-4", torch_bin(pickle.dumps({"t": 1}, protocol=4)))
bin_case("builds-an-object", torch_bin(b"\x80\x02ctorch\nFloatStorage\n)\x81."))
bin_case("old-format", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.")
bin_case("million-values", lambda: torch_bin(b"\x80\x02(" + b"N" * 1_000_000 + b"t."))
bin_case("million-marks", lambda: torch_bin(b"\x80\x02" + b"(" * 1_000_000 + b"t."))
bin_case("million-memos", lambda: torch_bin(
    b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", i) for i in range(600_000)) + b"."))
bin_case("pickle-of-17-megabytes", lambda: torch_bin(b"\x80\x02" + b"N0" * (17 << 19) + b"."))
bin_case("string-of-4-gigabytes", torch_bin(b"\x80\x02X\xff\xff\xff\xffabc."))
tensor_case("beyond-its-storage", [3, 3], [3, 1])
tensor_case("strides-overflow", [2, 2], [2**62, 2**62])
tensor_case("elements-overflow", [2**40, 2**40], [0, 0])
tensor_case("terabyte-of-one-element", [2**20, 2**20], [0, 0])
tensor_case("negative-offset", [1], [1], offset=-1)
tensor_case("storage-longer-than-entry", [1], [1], elements=2**61)
tensor_case("storage-outside-the-archive", [1], [1], key="../../../etc/passwd")
bin_case("no-pickle", zip_file([("m/data/0", b"x")]))
bin_case("compressed", zip_file([("m/data.pkl", b"x", {"method": 8})]))
bin_case("encrypted", zip_file([("m/data.pkl", b"x", {"flags": 1})]))
bin_case("bomb-size", zip_file([("m/data.pkl", b"x", {"unpacked": 0xfffffff0})]))
bin_case("entry-twice", zip_file([("m/data.pkl", b"x"), ("m/data.pkl", b"y")]))
bin_case("two-names", zip_file([("m/data.pkl", b"x", {"local_name": "m/evil.pkl"})]))
bin_case("entry-in-an-entry", zip_file(
    [("m/data.pkl", zip_file([("m/data/0", b"12345678")])),
     ("m/data/0", b"12345678", {"offset": 40, "no_body": True})]))
bin_case("entry-beyond-the-end", zip_file([("m/data.pkl", b"x", {"size": 10**9, "flags": 8})]))
bin_case("wrong-checksum", zip_file([("m/data.pkl", pickled(b""), {"crc_error": 1})]))
bin_case("directory-outside", zip_file([("m/data.pkl", b"x")], offset=0xfffffff0))
bin_case("zip64-end-outside", zip_file([("m/data.pkl", b"x")], zip64_at=2**63))
bin_case("2^40-entries", zip_file([("m/data.pkl", b"x")], zip64_count=2**40))
bin_case("cut", lambda: torch_bin(pickled(b""))[:-30])


# --- JSON of a model directory --------------------------------------------------------------------

def json_case(file, name, content, **others):
    @case(f"{file.split('.')[0]}-{name}", ["inspect", "."])
    def make(folder):
        model(folder, **{file.replace(".", "__"): bytes_of(content)},
              **others)
    return make


json_case("config.json", "deep", b"[" * 1_000_000)
json_case("config.json", "key-twice", b'{"bias": false, "bias": true}')
json_case("config.json", "not-utf-8", b'{"a": "\xff\xfe"}')
json_case("config.json", "too-long", lambda: b" " * ((8 << 20) + 1))
json_case("config.json", "huge-number", b'{"hidden_size": 1e999}')
json_case("config.json", "giant-width", config(hidden_size=2**40))
json_case("config.json", "zero-heads", config(num_attention_heads=0))
json_case("config.json", "no-division", config(num_attention_heads=3))
json_case("config.json", "id-outside-vocabulary", config(eos_token_id=10**9))
json_case("adapter_config.json", "rank-zero", b'{"r": 0}')
json_case("adapter_config.json", "pattern-not-an-object", b'{"r": 1, "rank_pattern": [1]}')

INDEX = "model.safetensors.index.json"
for _name, _target in (("climbs-out", "../../../etc/passwd"), ("absolute", "/etc/passwd"),
                       ("dots", "..")):
    json_case(INDEX, "index-" + _name, json.dumps({"weight_map": {"t": _target}}).encode(),
              model__safetensors=None)
json_case(INDEX, "index-not-a-map", b'{"weight_map": []}', model__safetensors=None)


# --- tokenizer.model ------------------------------------------------------------------------------

def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def piece(name, kind=1):
    body = b"\x0a" + varint(len(name)) + name + b"\x15" + bytes(4) + b"\x18" + bytes([kind])
    return b"\x0a" + varint(len(body)) + body


SPECIAL = piece(b"<unk>", 2) + piece(b"<s>", 3) + piece(b"</s>", 3)
BPE = b"\x12\x02\x18\x02" + b"\x1a\x04\x18\x00\x20\x00"


def tokenizer_case(name, content):
    @case("tokenizer-" + name, ["tokenize", "."])
    def make(folder):
        folder.mkdir(exist_ok=True)
        (folder / "tokenizer.model").write_bytes(bytes_of(content))
    return make


tokenizer_case("empty", b"")
tokenizer_case("field-of-2^63-bytes", b"\x0a" + b"\xff" * 8 + b"\x7f")
tokenizer_case("number-without-end", b"\x0a" + b"\xff" * 12)
tokenizer_case("too-long", lambda: bytes((16 << 20) + 1))
tokenizer_case("too-many-pieces", lambda: piece(b"a") * 300_000)
tokenizer_case("piece-of-a-megabyte", lambda: SPECIAL + piece(b"x" * 1_000_000) + BPE)
tokenizer_case("nested-pieces", SPECIAL + BPE + b"".join(
    piece(b"x" * length, 4) for length in range(1, 70)))
tokenizer_case("piece-twice", SPECIAL + piece(b"a") + piece(b"a") + BPE)
tokenizer_case("not-utf-8", SPECIAL + piece(b"\xc3\x28") + BPE)
tokenizer_case("no-special-pieces", piece(b"a") + BPE)


# --- pictures -------------------------------------------------------------------------------------

def picture_case(name, content):
    @case("picture-" + name, ["inspect", VL, "--image", "./picture"])
    def make(folder):
        folder.mkdir(exist_ok=True)
        (folder / "picture").write_bytes(bytes_of(content))
    return make


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, *chunks, interlace=0, data=b""):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks)
            + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


def scan_bomb():
    """The last scan of a progressive file over and over."""
    good = (IMAGES / "progressive_444.jpg").read_bytes()
    last = good.rindex(b"\xff\xda")
    return good[:last] + good[last:-2] * 2000 + b"\xff\xd9"


def segment(marker, body):
    return bytes([0xff, marker]) + struct.pack(">H", 2 + len(body)) + body


QUANTIZATION = segment(0xdb, b"\0" + b"\x10" * 64)
# One code of one bit each: 0 means "no difference" (DC), and "no more in this block" or, in the
# progressive AC table, "nothing in the next 2^14 blocks and as many more as the next 14 bits say".
DC_TABLE = segment(0xc4, b"\x00" + bytes([1] + [0] * 15) + b"\x00")
AC_TABLE = segment(0xc4, b"\x10" + bytes([1] + [0] * 15) + b"\x00")
AC_RUNS = segment(0xc4, b"\x10" + bytes([1] + [0] * 15) + b"\xe0")


def grey_jpeg(width, height, marker, *scans):
    frame = struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0])
    return b"\xff\xd8" + QUANTIZATION + segment(marker, frame) + b"".join(scans)


def scan(first, last, data):
    return segment(0xda, bytes([1, 1, 0, first, last, 0])) + data


def large_scan_bomb():
    """25 million pixels without any detail; each of 90 scans passes over all of them in 50 bytes."""
    return grey_jpeg(5000, 5000, 0xc2, DC_TABLE, AC_RUNS, scan(0, 0, bytes(625 * 625 // 8 + 1)),
                     *[scan(1, 63, bytes(50))] * 90) + b"\xff\xd9"


def webp(width, height, left=0):
    """An animation on a canvas of this size, with one frame of 1 x 1."""
    def small(value):
        return struct.pack("<I", value)[:3]
    pixels = b"VP8L" + struct.pack("<I", 12) + bytes.fromhex("2f00000000888808000000 00".replace(" ", ""))
    frame = small(left // 2) + small(0) + small(0) + small(0) + small(0) + b"\0"
    chunks = (b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + small(width - 1) + small(height - 1)
              + b"ANIM" + struct.pack("<I", 6) + bytes(6)
              + b"ANMF" + struct.pack("<I", len(frame) + len(pixels)) + frame + pixels)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def gif(width, height, *blocks):
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b"".join(blocks)


def gif_frame(width, height, code_bits, data=b""):
    return (b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + bytes([code_bits, len(data)])
            + data + b"\0;")


picture_case("empty", b"")
picture_case("svg", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>')
picture_case("png-giant", png(2**31 - 1, 2**31 - 1))
picture_case("png-zero", png(0, 100))
picture_case("png-6000x6000-of-nothing", png(6000, 6000))
picture_case("png-6000x6000-interlaced", png(6000, 6000, interlace=1))
picture_case("png-text-bomb", lambda: png(4, 4, *[chunk(
    b"zTXt", b"k\0\0" + zlib.compress(bytes(10 << 20), 9))] * 20))
picture_case("png-5000-chunks", lambda: png(4, 4, *[chunk(b"tEXt", b"k\0v")] * 5000))
picture_case("png-checksum", b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + bytes(17))
picture_case("jpeg-giant", grey_jpeg(65500, 65500, 0xc0, DC_TABLE, AC_TABLE, scan(0, 63, b"")))
picture_case("jpeg-6000x6000-of-nothing", grey_jpeg(
    6000, 6000, 0xc0, DC_TABLE, AC_TABLE, scan(0, 63, b"")))
picture_case("jpeg-6000x6000-progressive", grey_jpeg(
    6000, 6000, 0xc2, DC_TABLE, AC_RUNS, scan(0, 0, b"")))
picture_case("jpeg-cut-in-36-megapixels", lambda: grey_jpeg(
    6000, 6000, 0xc0, DC_TABLE, AC_TABLE, scan(0, 63, bytes(70_000))))
picture_case("jpeg-scan-bomb", scan_bomb)
picture_case("jpeg-scan-bomb-of-25-megapixels", large_scan_bomb)
picture_case("jpeg-segment-beyond-the-end", b"\xff\xd8\xff\xe1\xff\xff")
picture_case("gif-giant", gif(65535, 65535, gif_frame(65535, 65535, 2)))
picture_case("gif-6000x6000-of-nothing", gif(6000, 6000, gif_frame(6000, 6000, 2)))
picture_case("gif-6000x6000-interlaced", gif(6000, 6000, gif_frame(6000, 6000, 2)).replace(
    b"\x70\x17\x00\x02", b"\x70\x17\x40\x02"))
picture_case("gif-13-bit-codes", gif(4, 4, gif_frame(4, 4, 13, b"\0")))
picture_case("gif-without-end", gif(4, 4, b"!\xfe\xff" + bytes(255)))
picture_case("bmp-giant", b"BM" + bytes(8) + struct.pack(
    "<IIiiHHIIiiII", 54, 40, 2**31 - 1, -2**31, 1, 24, 0, 0, 0, 0, 0, 0))
picture_case("bmp-6000x6000-of-nothing", b"BM" + bytes(8) + struct.pack(
    "<IIiiHHIIiiII", 54, 40, 6000, 6000, 1, 24, 0, 0, 0, 0, 0, 0))
picture_case("bmp-pixels-outside", b"BM" + bytes(8) + struct.pack(
    "<IIiiHHIIiiII", 2**32 - 1, 40, 2, 2, 1, 24, 0, 0, 0, 0, 0, 0))
picture_case("webp-giant", webp(2**24, 2**7))
picture_case("webp-frame-outside", webp(20, 20, left=10**6))
picture_case("webp-container-only", b"RIFF\4\0\0\0WEBP")
picture_case("weights-as-a-picture", safetensors(ONE, bytes(8)))


# --- what the command line reads ------------------------------------------------------------------

def history_case(name, content):
    @case("history-" + name, ["describe", "--model", VL, "--history", "./history.json"])
    def make(folder):
        folder.mkdir(exist_ok=True)
        (folder / "history.json").write_bytes(bytes_of(content))
    return make


def batch_case(name, content):
    @case("batch-" + name, ["describe", "--model", VL, "--batch", "./batch.jsonl"])
    def make(folder):
        folder.mkdir(exist_ok=True)
        (folder / "batch.jsonl").write_bytes(bytes_of(content))
    return make


def line_case(name, stdin, *options):
    @case("line-" + name, ["tokenize", VL, *options])
    def make(folder):
        folder.mkdir(exist_ok=True)
        (folder / "stdin").write_text(bytes_of(stdin))
    return make


history_case("deep", b"[" * 1_000_000)
history_case("not-pairs", b'[["a", "b", "c"]]')
history_case("hd-num-of-2^40", json.dumps({
    "format": "ixc-conversation", "version": 1, "pictures": [{"file": "a", "hd_num": 2**40}],
    "turns": []}).encode())
history_case("other-version", b'{"format": "ixc-conversation", "version": 2, "turns": []}')
batch_case("not-json", b"{}\nnot json\n")
batch_case("image-a-number", b'{"image": 7}\n')
batch_case("key-twice", b'{"prompt": "a", "prompt": "b"}\n')
line_case("too-long", lambda: '"' + "x" * (9 << 20))
line_case("text-too-long", lambda: '"' + "x" * (5 << 20) + '"\n')
line_case("id-of-2^63", f"[{2**63}]\n", "--decode")
line_case("deep", "[" * 1_000_000 + "\n", "--decode")


# --- what is not a file ---------------------------------------------------------------------------

def special_case(name, file, arguments, make_special):
    @case(name, arguments)
    def make(folder):
        model(folder, **{file.replace(".", "__"): None})
        make_special(folder / file)
    return make


def link_to(target):
    return lambda path: path.symlink_to(target)


def make_socket(path):
    directory = os.getcwd()
    os.chdir(path.parent)  # the names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path.name)
    finally:
        os.chdir(directory)


special_case("fifo-as-weights", "model.safetensors", ["inspect", "."], os.mkfifo)
special_case("fifo-as-config", "config.json", ["inspect", "."], os.mkfifo)
special_case("fifo-as-picture", "picture", ["inspect", VL, "--image", "./picture"], os.mkfifo)
special_case("fifo-as-history", "history.json",
             ["describe", "--model", VL, "--history", "./history.json"], os.mkfifo)
special_case("fifo-as-batch", "batch.jsonl",
             ["describe", "--model", VL, "--batch", "./batch.jsonl"], os.mkfifo)
special_case("device-as-picture", "picture", ["inspect", VL, "--image", "./picture"],
             link_to("/dev/zero"))
special_case("device-as-tokenizer", "tokenizer.model", ["tokenize", "."], link_to("/dev/zero"))
special_case("device-as-batch", "batch.jsonl",
             ["describe", "--model", VL, "--batch", "./batch.jsonl"], link_to("/dev/zero"))
special_case("directory-as-weights", "model.safetensors", ["inspect", "."], os.mkdir)
special_case("socket-as-weights", "model.safetensors", ["inspect", "."], make_socket)
special_case("link-to-itself", "model.safetensors", ["inspect", "."],
             link_to("model.safetensors"))


def main():
    pathlib.Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    for name, make, _ in CASES:
        make(pathlib.Path(sys.argv[1]) / name)


if __name__ == "__main__":
    main()
