/**
 * How much memory a command of millrace took, by the system's own count.
 */
import { expect } from 'vitest';
import { MAIN, runCli } from './run-cli.ts';

const TELL_PEAK = `data:text/javascript,process.on('exit',()=>process.stderr.write('peak '+process.resourceUsage().maxRSS))`;

/** Runs a command that is to succeed in silence: what it printed, and its peak of resident memory, MiB. `before`: what starts it. */
export async function peakOf(argv: readonly string[], before: readonly string[] = []) {
  const [program, ...rest] = [...before, process.execPath, '--import', TELL_PEAK, MAIN];
  const { status, stdout, stderr } = await runCli(argv, { through: [program!, ...rest] });
  expect([status, stderr]).toEqual([0, expect.stringMatching(/^peak \d+$/)]);
  return { stdout, peakMib: Number(stderr.slice('peak '.length)) / 1024 };
}
