#!/usr/bin/env python3
"""Makes the pictures of this folder and extra.json: what Pillow 12.3 decodes them to.

Corners of the formats that the pictures one folder up do not have. Needs Pillow 12.3 and, in that
folder, cmyk.jpg and palette.png. Run it here; it is not part of any build or test.
"""
import hashlib
import json
import pathlib
import struct
import zlib

from PIL import Image

HERE = pathlib.Path(__file__).parent
GIVEN = HERE.parent


def save(name, data):
    (HERE / name).write_bytes(data)


def gradient(width, height, channels=3):
    """A picture whose every pixel differs from its neighbours."""
    rows = [(x * 37 + y * 11 + c * 80 + x * y) % 256
            for y in range(height) for x in range(width) for c in range(channels)]
    return bytes(rows)


# --- PNG -----------------------------------------------------------------------------------------
def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(name, size, depth, color_type, rows, *extra):
    header = struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, 0)
    raw = b"".join(b"\0" + row for row in rows)
    save(name, b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(extra)
         + png_chunk(b"IDAT", zlib.compress(raw)) + png_chunk(b"IEND", b""))


def make_png():
    noise = gradient(16, 4)
    palette = png_chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
    png("palette_short.png", (6, 1), 8, 3, [bytes([0, 1, 2, 3, 200, 255])], palette)
    png("palette_1bit.png", (11, 2), 1, 3, [noise[:2], noise[2:4]], palette)
    png("palette_2bit.png", (7, 2), 2, 3, [noise[:2], noise[2:4]], palette)
    png("gray_2bit.png", (7, 2), 2, 0, [noise[:2], noise[2:4]])
    png("gray_4bit.png", (5, 2), 4, 0, [noise[:3], noise[3:6]], png_chunk(b"tRNS", b"\0\3"))
    png("gray_alpha16.png", (4, 2), 16, 4, [noise[:16], noise[16:32]])
    png("rgba16.png", (2, 2), 16, 6, [noise[:16], noise[16:32]])
    png("rgb_trns.png", (3, 2), 8, 2, [noise[:9], noise[9:18]],
        png_chunk(b"tRNS", bytes([0, noise[0], 0, noise[1], 0, noise[2]])),
        png_chunk(b"gAMA", struct.pack(">I", 20000)))


# --- JPEG ----------------------------------------------------------------------------------------
def make_jpeg():
    cmyk = (GIVEN / "cmyk.jpg").read_bytes()
    at = cmyk.index(b"\xff\xee")  # the Adobe segment
    length = 2 + struct.unpack(">H", cmyk[at + 2:at + 4])[0]
    save("cmyk_no_adobe.jpg", cmyk[:at] + cmyk[at + length:])
    save("ycck.jpg", cmyk[:at + length - 1] + b"\2" + cmyk[at + length:])
    Image.frombytes("RGB", (33, 17), gradient(33, 17)).save(HERE / "rgb.jpg", keep_rgb=True)


# --- WebP ----------------------------------------------------------------------------------------
def make_webp():
    rgb = Image.frombytes("RGB", (41, 23), gradient(41, 23))
    rgba = Image.frombytes("RGBA", (20, 14), gradient(20, 14, 4))
    rgb.save(HERE / "lossy.webp", quality=60)
    rgba.save(HERE / "lossy_alpha.webp", quality=60)
    rgba.save(HERE / "lossless_alpha.webp", lossless=True, exact=True)
    rgb.save(HERE / "animated.webp", save_all=True, append_images=[rgb.rotate(180)], quality=50)


# --- GIF -----------------------------------------------------------------------------------------
def gif_data(indices, code_bits):
    """LZW without any compression: a clear code often enough that codes never grow."""
    clear = 1 << code_bits
    codes = []
    for i, index in enumerate(indices):
        if i % (clear - 2) == 0:
            codes.append(clear)
        codes.append(index)
    codes.append(clear + 1)
    bits = sum(code << (i * (code_bits + 1)) for i, code in enumerate(codes))
    data = bits.to_bytes((len(codes) * (code_bits + 1) + 7) // 8, "little")
    blocks = [data[i:i + 255] for i in range(0, len(data), 255)]
    return bytes([code_bits]) + b"".join(bytes([len(b)]) + b for b in blocks) + b"\0"


def gif(name, screen, frame, colors=16, transparent=None, interlaced=False, local=False):
    """frame is (left, top, width, height); colors 0: no palette at all."""
    palette = bytes((i * 29 + 7) % 256 for i in range(3 * max(colors, 2)))
    flags = max(colors, 2).bit_length() - 2
    has_global = colors > 0
    out = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80 | flags if has_global else 0, 1, 0)
    out += palette if has_global else b""
    if transparent is not None:
        out += b"!\xf9\4" + struct.pack("<BHB", 1, 0, transparent) + b"\0"
    out += b"," + struct.pack("<HHHH", *frame)
    out += bytes([(0x40 if interlaced else 0) | (0x80 | flags if local else 0)])
    out += bytes(reversed(palette)) if local else b""
    indices = [b % max(colors, 16) for b in gradient(frame[2], frame[3], 1)]
    save(name, out + gif_data(indices, 4) + b";")


def make_gif():
    gif("gif_offset.gif", (12, 9), (3, 2, 5, 4))
    gif("gif_offset_transparent.gif", (12, 9), (3, 2, 5, 4), transparent=5)
    gif("gif_interlaced.gif", (9, 13), (0, 0, 9, 13), interlaced=True)
    gif("gif_local_palette.gif", (7, 5), (0, 0, 7, 5), local=True)
    gif("gif_no_palette.gif", (7, 5), (0, 0, 7, 5), colors=0)
    gif("gif_short_palette.gif", (7, 5), (0, 0, 7, 5), colors=4)
    gif("gif_beyond_screen.gif", (4, 4), (2, 3, 6, 5), transparent=9)


# --- BMP -----------------------------------------------------------------------------------------
def bmp(name, size, bits, data, compression=0, masks=b"", palette=b"", os2=False):
    width, height = size
    if os2:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0,
                             0, len(palette) // 4, 0)
    offset = 14 + len(header) + len(masks) + len(palette)
    save(name, b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + header + masks
         + palette + data)


def make_bmp():
    noise = gradient(32, 8)
    colors = [bytes([(i * 37) % 256, (i * 91 + 5) % 256, (i * 53 + 9) % 256]) for i in range(256)]
    bgrx = b"".join(c + b"\0" for c in colors)
    bmp("bmp_1bit.bmp", (37, 3), 1, noise[:24], palette=bgrx[:8])
    bmp("bmp_4bit.bmp", (9, 3), 4, noise[:24], palette=bgrx[:64])
    bmp("bmp_8bit.bmp", (10, 3), 8, noise[:36], palette=bgrx)
    bmp("bmp_8bit_short_palette.bmp", (6, 2), 8, bytes([0, 1, 2, 3, 99, 255, 0, 0] * 2),
        palette=bgrx[:12])
    bmp("bmp_8bit_os2.bmp", (10, 3), 8, noise[:36], palette=b"".join(colors), os2=True)
    bmp("bmp_24bit_os2.bmp", (5, 2), 24, noise[:32], os2=True)
    bmp("bmp_16bit.bmp", (7, 3), 16, noise[:48])
    bmp("bmp_16bit_565.bmp", (7, 3), 16, noise[:48], 3, struct.pack("<3I", 0xF800, 0x7E0, 0x1F))
    bmp("bmp_24bit_top_down.bmp", (5, -3), 24, noise[:48])
    bmp("bmp_32bit.bmp", (5, 3), 32, noise[:60])
    bmp("bmp_32bit_masks.bmp", (5, 3), 32, noise[:60], 3,
        struct.pack("<3I", 0xFF000000, 0xFF0000, 0xFF00))


def main():
    make_png()
    make_jpeg()
    make_webp()
    make_gif()
    make_bmp()
    images = []
    for path in sorted(HERE.iterdir()):
        if path.suffix in (".py", ".json", ""):
            continue
        picture = Image.open(path)
        rgb = picture.convert("RGB")
        entry = {"file": path.name, "width": rgb.width, "height": rgb.height,
                 "rgb_sha256": hashlib.sha256(rgb.tobytes()).hexdigest()}
        if path.suffix == ".jpg":  # libraries may differ by a level: keep the pixels themselves
            entry["decoded_png"] = f"decoded/{path.stem}.png"
            (HERE / "decoded").mkdir(exist_ok=True)
            rgb.save(HERE / entry["decoded_png"])
        images.append(entry)
    (HERE / "extra.json").write_text(json.dumps({"images": images}, indent=1) + "\n")


if __name__ == "__main__":
    main()
