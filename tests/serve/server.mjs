// Starts `quern serve` on a free port, for the tests that run in Node.js.
import { spawn } from "node:child_process";
import { once } from "node:events";
import readline from "node:readline";

export async function startServer(...options) {
  const child = spawn(
    process.env.QUERN_PROGRAM,
    ["serve", "-m", process.env.QUERN_MODEL, "--name", "story", "--port", "0", "--threads", "1", ...options],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  for await (const line of readline.createInterface({ input: child.stderr })) {
    const found = line.match(/serves at (\S+)/);
    if (!found) throw new Error(line);
    const stop = async () => {
      child.kill("SIGTERM");
      const [code] = await once(child, "exit");
      return code;
    };
    return { url: found[1], pid: child.pid, stop };
  }
  throw new Error("the server did not start");
}
