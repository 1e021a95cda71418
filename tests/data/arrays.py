"""Makes tests/data/arrays.npz and arrays_compressed.npz with NumPy. Usage: arrays.py FOLDER"""

import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(sys.argv[1])
ARRAYS = {
    "floats": np.arange(6, dtype=np.float32).reshape(2, 3) / 2,
    "whole": np.array(7, np.int64),
    "by_column": np.asfortranarray(np.arange(9, dtype=np.int32).reshape(3, 3)),
}
np.savez(ROOT / "arrays.npz", **ARRAYS)
np.savez_compressed(ROOT / "arrays_compressed.npz", **ARRAYS)
