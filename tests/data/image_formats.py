"""Writes a small image in each way that files have, and with Pillow what it is in RGB and RGBA.

Usage: image_formats.py. The files are the valid images of tests/fuzz/corpus/good; the arrays, named
FILE/RGB and FILE/RGBA, are in tests/data/image_formats.npz.
"""

import pathlib
import struct

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
GOOD = HERE.parent / "fuzz" / "corpus" / "good"


def picture(height=21, width=30):
    y, x = np.mgrid[0:height, 0:width]
    red = 127.5 + 127.5 * np.sin(x / 5 + y / 9)
    green = 255 * x / (width - 1)
    blue = np.where((x // 6 + y // 6) % 2, 230, 20)
    return Image.fromarray(np.stack([red, green, blue], -1).round().astype(np.uint8))


def save(image, name, **options):
    image.save(GOOD / name, **options)


def pngs(rgb, rgba):
    for mode in ("1", "L", "RGB", "P"):
        save(rgb.convert(mode), f"{mode}.png")
    save(rgba.convert("LA"), "LA.png")
    save(rgba, "RGBA.png")
    save(rgb.quantize(5), "palette_of_5.png", bits=4, transparency=2)
    save(rgb.convert("L"), "transparent_grey.png", transparency=96)
    deep = (np.asarray(rgb).astype(np.uint16) * 257 + 3)[..., 0]
    Image.fromarray(deep).save(GOOD / "grey16.png")


def jpegs(rgb):
    save(rgb.convert("L"), "L.jpg")
    save(rgb.convert("CMYK"), "CMYK.jpg", quality=90)
    for subsampling in (0, 1, 2):
        save(rgb, f"subsampled_{subsampling}.jpg", quality=85, subsampling=subsampling)
    save(rgb, "progressive.jpg", progressive=True)
    save(rgb, "restart.jpg", restart_marker_blocks=1)
    save(rgb, "keep_rgb.jpg", keep_rgb=True)
    turned = Image.Exif()
    turned[0x112] = 6
    save(rgb, "turned.jpg", exif=turned)


def bmps(rgb, rgba):
    for mode in ("1", "L", "P", "RGB"):
        save(rgb.convert(mode), f"{mode}.bmp")
    save(rgba, "RGBA.bmp")
    width, height = rgb.size
    a = np.asarray(rgb).astype(np.uint16)
    packed = ((a[..., 0] >> 3) << 11 | (a[..., 1] >> 2) << 5 | a[..., 2] >> 3).astype("<u2")
    header = struct.pack("<IiiHHIIiiII", 40, width, -height, 1, 16, 3, packed.nbytes, 0, 0, 0, 0)
    header += struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    start = struct.pack("<2sIHHI", b"BM", 14 + len(header) + packed.nbytes, 0, 0, 14 + len(header))
    (GOOD / "565.bmp").write_bytes(start + header + packed.tobytes())


def pnms(rgb):
    save(rgb, "RGB.pnm")
    save(rgb.convert("L"), "L.pnm")
    a = np.asarray(rgb)
    small = (a // 17).astype(np.uint8)
    (GOOD / "most_15.pnm").write_bytes(b"P6 # a comment\n30 21\n15\n" + small.tobytes())


def webps(rgb, rgba):
    save(rgb, "lossy.webp", quality=80)
    save(rgb, "lossless.webp", lossless=True)
    save(rgba, "alpha.webp", quality=80)
    save(rgba, "alpha_lossless.webp", lossless=True, exact=True)
    other = rgb.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    save(rgb, "animation.webp", save_all=True, append_images=[other], duration=100)


def tiffs(rgb, rgba):
    for mode in ("1", "L", "RGB", "P", "CMYK"):
        save(rgb.convert(mode), f"{mode}.tif")
    save(rgba, "RGBA.tif")
    for compression in ("packbits", "tiff_lzw", "tiff_deflate", "jpeg"):
        save(rgb, f"{compression}.tif", compression=compression)
    for compression in ("group3", "group4", "tiff_ccitt"):
        save(rgb.convert("1"), f"{compression}.tif", compression=compression)
    save(rgb, "pages.tif", save_all=True, append_images=[rgb.convert("L")])
    for orientation in range(2, 9):
        save(rgb, f"turned_{orientation}.tif", tiffinfo={0x112: orientation}, compression="tiff_lzw")


def jpeg2000s(rgb, rgba):
    save(rgb, "RGB.jp2")
    save(rgb.convert("L"), "L.jp2")
    save(rgba.convert("LA"), "LA.jp2")
    save(rgba, "RGBA.jp2")
    save(rgb, "codestream.jp2", no_jp2=True)
    save(rgb, "lossy.jp2", irreversible=True, quality_layers=[20, 5], quality_mode="rates")
    save(rgb, "tiles.jp2", tile_size=(16, 16), num_resolutions=3)


def main():
    GOOD.mkdir(parents=True, exist_ok=True)
    rgb = picture()
    rgba = rgb.copy()
    rgba.putalpha(rgb.convert("L").point(lambda v: 255 - v))
    pngs(rgb, rgba)
    jpegs(rgb)
    bmps(rgb, rgba)
    pnms(rgb)
    webps(rgb, rgba)
    tiffs(rgb, rgba)
    jpeg2000s(rgb, rgba)
    arrays = {}
    for path in sorted(GOOD.iterdir()):
        if path.suffix not in (".png", ".jpg", ".bmp", ".pnm", ".webp", ".tif", ".jp2"):
            continue
        for mode in ("RGB", "RGBA"):
            image = Image.open(path)
            if image.mode.startswith("I;16"):
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            arrays[f"{path.name}/{mode}"] = np.asarray(image.convert(mode))
    np.savez(HERE / "image_formats.npz", **arrays)


if __name__ == "__main__":
    main()
