/**
 * What Rust's standard library asks of a system, and the component does not use: clocks and a seed are real, what it
 * says before it breaks down goes to the console, and there is nothing else.
 */

class OutputStream {
  checkWrite() {
    return 65536n;
  }
  write(bytes) {
    console.error(new TextDecoder().decode(bytes));
  }
  blockingFlush() {}
  subscribe() {
    return new Pollable();
  }
}
class InputStream {}
class Pollable {
  block() {}
}
class IoError extends Error {}
class TerminalInput {}
class TerminalOutput {}

export const wasi = {
  "wasi:cli/environment": { getEnvironment: () => [] },
  "wasi:cli/exit": {
    exit() {
      throw new Error("the component has ended");
    },
  },
  "wasi:cli/stderr": { getStderr: () => new OutputStream() },
  "wasi:cli/stdin": { getStdin: () => new InputStream() },
  "wasi:cli/stdout": { getStdout: () => new OutputStream() },
  "wasi:cli/terminal-input": { TerminalInput },
  "wasi:cli/terminal-output": { TerminalOutput },
  "wasi:cli/terminal-stderr": { getTerminalStderr() {} },
  "wasi:cli/terminal-stdin": { getTerminalStdin() {} },
  "wasi:cli/terminal-stdout": { getTerminalStdout() {} },
  "wasi:clocks/monotonic-clock": { now: () => BigInt(Math.round(performance.now() * 1e6)) },
  "wasi:clocks/wall-clock": {
    now() {
      const ms = Date.now();
      return { seconds: BigInt(Math.floor(ms / 1000)), nanoseconds: (ms % 1000) * 1e6 };
    },
  },
  "wasi:io/error": { Error: IoError },
  "wasi:io/poll": { Pollable },
  "wasi:io/streams": { InputStream, OutputStream },
  "wasi:random/insecure-seed": { insecureSeed: () => [...crypto.getRandomValues(new BigUint64Array(2))] },
};
