/**
 * A progress bar on stderr, on a terminal only: in a pipe or a log file it says nothing at all.
 */
import { SingleBar } from 'cli-progress';

/** A bar that grows until `stop`. Safe to stop twice. */
export interface Progress extends Disposable {
  /** `total`: if it has changed. */
  update(done: number, total?: number): void;
}

/** Starts a bar towards `total` units. `total` 0 or unknown: a count without an end. */
export function startProgress(label: string, total: number, stream: NodeJS.WriteStream): Progress {
  if (!stream.isTTY) return { update() {}, [Symbol.dispose]() {} };
  const format = total > 0 ? `${label} {bar} {percentage}% {value}/{total}` : `${label} {value}`;
  const bar = new SingleBar({ format, stream, clearOnComplete: true, fps: 5, barsize: 30 });
  bar.start(total, 0);
  return {
    update(done, newTotal = total) {
      if (newTotal !== total) bar.setTotal(newTotal);
      bar.update(newTotal > 0 ? Math.min(done, newTotal) : done);
    },
    [Symbol.dispose]: () => bar.stop(),
  };
}
