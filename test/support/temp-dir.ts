/**
 * A directory of its own for one test, removed when the test ends.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export class TempDir implements Disposable {
  readonly path: string;
  #copies = 0;

  constructor(name = 'test') {
    this.path = fs.mkdtempSync(path.join(os.tmpdir(), `millrace-${name}-`));
  }

  /** A path inside it. */
  join(...parts: string[]): string {
    return path.join(this.path, ...parts);
  }

  /** Copies a directory to a new one inside; returns its path. */
  copyOf(directory: string): string {
    const copy = this.join(`copy-${this.#copies++}`);
    fs.cpSync(directory, copy, { recursive: true });
    return copy;
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.path, { recursive: true, force: true });
  }
}
