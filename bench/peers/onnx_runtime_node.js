// Times ONNX Runtime of npm: onnx_runtime_node.js MODEL REPEAT OUTPUT.npy prints JSON, as onnx_runtime.py does, and
// writes the first output.
"use strict";
const fs = require("fs");
const path = require("path");

const TYPES = {
  "<f4": ["float32", Float32Array],
  "<i8": ["int64", BigInt64Array],
  "|u1": ["uint8", Uint8Array],
};

function readNpy(ort, file) {
  const bytes = fs.readFileSync(file);
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, start);
  const [type, Elements] = TYPES[/'descr': '([^']+)'/.exec(header)[1]];
  const dims = /'shape': \(([^)]*)\)/.exec(header)[1].split(",").filter((size) => size.trim()).map(Number);
  const { buffer, byteOffset, length } = bytes;
  return new ort.Tensor(type, new Elements(buffer.slice(byteOffset + start, byteOffset + length)), dims);
}

function writeNpy(file, tensor) {
  const shape = tensor.dims.map((size) => `${size},`).join("");
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape}), }`;
  const padded = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + "\n";
  const start = Buffer.from("\x93NUMPY\x01\x00\x00\x00", "latin1");
  start.writeUInt16LE(padded.length, 8);
  const data = tensor.data;
  fs.writeFileSync(file, Buffer.concat([start, Buffer.from(padded), Buffer.from(data.buffer, data.byteOffset, data.byteLength)]));
}

async function main() {
  const [model, repeatText, output] = process.argv.slice(2);
  const repeat = Number(repeatText);
  const ort = require("onnxruntime-node");
  const since = (start) => Number(process.hrtime.bigint() - start) / 1e6;
  let start = process.hrtime.bigint();
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 2, logSeverityLevel: 4 });
  const load = since(start);
  const inputs = {};
  for (const name of session.inputNames) inputs[name] = readNpy(ort, model.replace(/\.onnx$/, `.${name}.npy`));
  const result = await session.run(inputs);
  const times = [];
  for (let i = 0; i < repeat; ++i) {
    start = process.hrtime.bigint();
    await session.run(inputs);
    times.push(since(start));
  }
  writeNpy(output, result[session.outputNames[0]]);
  times.sort((a, b) => a - b);
  const folder = path.dirname(require.resolve("onnxruntime-node/package.json"));
  const { version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json")));
  console.log(JSON.stringify({ load_ms: load, median_ms: times[repeat >> 1], version }));
}

main();
