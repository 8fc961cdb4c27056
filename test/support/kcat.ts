/**
 * kcat, the command-line client on librdkafka: the foreign witness most users have. Where the machine lacks it, its tests
 * say so in one line and do nothing, unless MILLRACE_REQUIRE_KCAT=1 makes that a failure.
 */
import { spawn, spawnSync } from 'node:child_process';

const TIMEOUT_MS = 120_000;

/** Whether kcat can be run; tells, or throws, if not. */
export function hasKcat(): boolean {
  if (spawnSync('kcat', ['-V'], { stdio: 'ignore' }).status === 0) return true;
  if (process.env['MILLRACE_REQUIRE_KCAT'] === '1') {
    throw new Error('kcat is not installed, and MILLRACE_REQUIRE_KCAT=1 asks for it: apt-get install kcat');
  }
  process.stderr.write('kcat is not installed: its tests were left out (apt-get install kcat)\n');
  return false;
}

/** Runs kcat against a broker; resolves with its output, rejects unless it exits with 0. */
export function kcat(address: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('kcat', ['-b', address, ...args], { timeout: TIMEOUT_MS });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out).toString());
      else reject(new Error(`kcat ${args.join(' ')} ended with ${code}: ${Buffer.concat(err)}`));
    });
    child.stdin.end(input);
  });
}
