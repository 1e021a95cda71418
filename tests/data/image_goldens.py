"""Writes small images, and with Pillow and NumPy the arrays that models take them as, into tests/data/images.

Usage: image_goldens.py. An array is named FILE/what; those of JPEG depend on its decoder by a few steps.
"""

import pathlib

import numpy as np
from PIL import Image

FOLDER = pathlib.Path(__file__).parent / "images"
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def picture(height=37, width=53):
    y, x = np.mgrid[0:height, 0:width]
    red = 127.5 + 127.5 * np.sin(x / 5 + y / 9)
    green = 255 * x / (width - 1)
    blue = np.where((x // 6 + y // 6) % 2, 230, 20)
    return Image.fromarray(np.stack([red, green, blue], -1).round().astype(np.uint8))


def resized(image, height, width):
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def main():
    FOLDER.mkdir(exist_ok=True)
    made = picture()
    made.save(FOLDER / "picture.png")
    made.save(FOLDER / "picture.bmp")
    made.save(FOLDER / "picture.jpg", quality=90, subsampling=0)
    with_alpha = made.copy()
    with_alpha.putalpha(made.convert("L"))
    with_alpha.save(FOLDER / "alpha.png")
    arrays = {}
    for name in ("picture.png", "picture.bmp", "picture.jpg", "alpha.png"):
        arrays[f"{name}/bytes"] = np.asarray(Image.open(FOLDER / name))[None, ..., :3]
    image = Image.open(FOLDER / "picture.png")
    small = resized(image, 16, 20) / 255
    arrays["picture.png/larger"] = resized(image, 50, 61)[None]
    arrays["picture.png/normal"] = ((small - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)
    arrays["picture.png/grey"] = (resized(image.convert("L"), 16, 53) / 255)[None, None].astype(np.float32)
    np.savez(FOLDER / "arrays.npz", **arrays)


if __name__ == "__main__":
    main()
