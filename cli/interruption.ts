/**
 * How a running command is stopped: the first SIGINT or SIGTERM asks it to end cleanly, a second one ends the process at
 * once. Under the shim of bin/millrace.mjs a Ctrl-C reaches this process twice, from the terminal and from the shim, which
 * hands signals on over its channel; so the two ways are counted apart and the larger count holds.
 */

const NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;
type StopSignal = keyof typeof NUMBERS;

export interface Interruption {
  signal: AbortSignal;
  /** 130 or 143 after a signal; undefined before. */
  status(): number | undefined;
}

/** Dies of the signal itself: no clean-up, and the shell sees 128 + its number. Worker threads in native code can't delay it. */
function dieOf(name: StopSignal): void {
  process.removeAllListeners(name);
  process.kill(process.pid, name);
}

/** Starts to listen. Call once, at start. */
export function listenForInterruption(): Interruption {
  const controller = new AbortController();
  let first: StopSignal | undefined;
  const counts = { direct: 0, shim: 0 };
  const receive = (way: keyof typeof counts, name: StopSignal) => {
    first ??= name;
    counts[way]++;
    if (Math.max(counts.direct, counts.shim) > 1) dieOf(name);
    else controller.abort(new DOMException(`stopped by ${name}`, 'AbortError'));
  };
  for (const name of Object.keys(NUMBERS) as StopSignal[]) process.on(name, () => receive('direct', name));
  listenToShim((name) => receive('shim', name));
  return { signal: controller.signal, status: () => first && 128 + NUMBERS[first] };
}

/** Takes signals from the shim's channel, and dies as the shim died if it was killed: no child may live on alone. */
function listenToShim(receive: (name: StopSignal) => void): void {
  if (process.env['_MILLRACE_SHIM'] === undefined || !process.channel) return;
  // Taken out, so that a process started from here doesn't think that it has a shim.
  delete process.env['_MILLRACE_SHIM'];
  process.on('message', (message) => {
    if (message === 'SIGINT' || message === 'SIGTERM') receive(message);
  });
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  // Listening for messages would keep a finished command alive.
  process.channel.unref();
}
