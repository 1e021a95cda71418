"""Times ONNX Runtime: onnx_runtime.py MODEL REPEAT OUTPUT.npy prints JSON and writes the first output."""

import json
import pathlib
import resource
import sys
import time

import numpy


def resident_bytes():
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main():
    model, repeat, output = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    before = resident_bytes()  # the interpreter; the runtime's own library counts, as quern's does
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 4
    start = time.perf_counter()
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    load = time.perf_counter() - start
    inputs = {
        given.name: numpy.load(model.with_suffix(f".{given.name}.npy")) for given in session.get_inputs()
    }
    result = session.run(None, inputs)
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        session.run(None, inputs)
        times.append(time.perf_counter() - start)
    numpy.save(output, result[0])
    print(
        json.dumps(
            {
                "load_ms": 1e3 * load,
                "median_ms": 1e3 * sorted(times)[repeat // 2],
                "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
                "version": onnxruntime.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
