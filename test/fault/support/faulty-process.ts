/**
 * A command of millrace as a process of its own, with a plan of faults: it can be waited for until it hangs, let go on,
 * and asked what it met.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanEnvironment, type Ended, MAIN, statusOf } from '../../support/run-cli.ts';
import {
  type Failpoint,
  type FaultPlan,
  goName,
  hitName,
  hungName,
  lateName,
  NOTES_NAME,
  PLAN_VARIABLE,
} from './fault-plan.ts';

const PRELOAD = join(import.meta.dirname, 'failpoint.ts');
/** Some hundred processes start here; what Node makes of the sources is kept between them. */
const COMPILE_CACHE = join(import.meta.dirname, '../../../.cache/compile');
const LOOK_MS = 5;
/** A process that takes longer has hung up. */
const PATIENCE_MS = Number(process.env['FAULT_PATIENCE_MS'] ?? 600_000);

export class FaultyProcess {
  readonly argv: readonly string[];
  readonly plan: FaultPlan;
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #isOver = false;

  constructor(argv: readonly string[], plan: FaultPlan) {
    this.argv = argv;
    this.plan = plan;
    mkdirSync(plan.scratch, { recursive: true });
    const flags = ['--no-memory-protection-keys', '--import', PRELOAD];
    const cache = { NODE_COMPILE_CACHE: COMPILE_CACHE };
    const env = { ...cleanEnvironment(), ...cache, [PLAN_VARIABLE]: JSON.stringify(plan) };
    this.child = spawn(process.execPath, [...flags, MAIN, ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
    });
    this.ended = this.#watch();
  }

  async #watch(): Promise<Ended> {
    const streams = [this.child.stdout!, this.child.stderr!].map(async (stream) => {
      let text = '';
      for await (const chunk of stream) text += String(chunk);
      return text;
    });
    const timer = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE_MS);
    const status = await statusOf(this.child);
    clearTimeout(timer);
    this.#isOver = true;
    const [stdout, stderr] = (await Promise.all(streams)) as [string, string];
    return { status, stdout, stderr };
  }

  #scratch(name: string): string {
    return join(this.plan.scratch, name);
  }

  /** Whether a failpoint did what it is there for. */
  met(point: number): boolean {
    const { nth = 1 } = this.plan.points[point]!;
    return existsSync(this.#scratch(hitName(point, Math.max(1, nth))));
  }

  /** The failpoints that nothing came by. */
  unmet(): Failpoint[] {
    return this.plan.points.filter((_, point) => !this.met(point));
  }

  /** Waits until the process stands still at a failpoint. */
  async hung(point = 0): Promise<void> {
    while (!existsSync(this.#scratch(hungName(point)))) {
      if (this.#isOver) {
        const { status, stderr } = await this.ended;
        throw new Error(`the process ended with ${status} before it hung: ${stderr}`);
      }
      await sleep(LOOK_MS);
    }
  }

  /** Lets it go on; its clocks may be put forward. */
  goOn(point = 0, clockMs = 0): void {
    const name = this.#scratch(goName(point));
    writeFileSync(`${name}.new`, String(clockMs));
    renameSync(`${name}.new`, name);
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  /** What an operation that was to land later was called with. */
  late(point: number): string[] {
    return JSON.parse(readFileSync(this.#scratch(lateName(point)), 'utf8')) as string[];
  }

  /** What was noted, in order. */
  notes(): { point: number; op: string; path: string; startedMs: number; atMs: number }[] {
    const name = this.#scratch(NOTES_NAME);
    const lines = existsSync(name) ? readFileSync(name, 'utf8').trimEnd().split('\n') : [];
    return lines.map((line) => JSON.parse(line));
  }
}
