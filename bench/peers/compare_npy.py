"""compare_npy.py GOT.npy WANT.npy LIMIT: prints the largest error as a share of the range; exit code 1 beyond it."""

import sys

import numpy


def main():
    got, want, limit = numpy.load(sys.argv[1]), numpy.load(sys.argv[2]), float(sys.argv[3])
    spread = float(want.max() - want.min())
    if got.shape != want.shape or not spread > 0:
        sys.exit(f"outputs {got.shape} and {want.shape}, range {spread}: nothing to compare")
    error = float(numpy.abs(got - want).max()) / spread
    print(f"{error:.2g}")
    sys.exit(0 if error <= limit else 1)


if __name__ == "__main__":
    main()
