/**
 * What the cases of the matrix share: a broker with one topic of two partitions, and a warehouse into which its first
 * round was loaded. Each case works on a copy. Cases that must break the log or the topic have a broker of their own.
 */
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Broker } from '../../../broker/broker.ts';
import { createTopic } from '../../support/load-topic.ts';
import { addressOf, startBroker } from '../../support/start-broker.ts';
import { TempDir } from '../../support/temp-dir.ts';
import { FaultyProcess } from './faulty-process.ts';
import { Place } from './place.ts';
import { LOAD_MS, Scene, type SceneOptions } from './scene.ts';
import { MIDNIGHT_MS, MINUTE_MS, TopicTruth } from './topic-truth.ts';

export const PARTITIONS = [0, 1];
const TOPIC = 'web_request';
/** Hour 0 has just become complete. */
const FIRST_LOAD_MS = MIDNIGHT_MS + 66 * MINUTE_MS;
const ROUNDS = [
  { each: 12, partitions: PARTITIONS, hours: [0], atMs: MIDNIGHT_MS + 50 * MINUTE_MS },
  { each: 30, partitions: PARTITIONS, hours: [0, 1, 1, 2], atMs: MIDNIGHT_MS + 110 * MINUTE_MS },
] as const;

/** How a case ended. */
export interface CaseResult {
  id: string;
  name: string;
  problems: string[];
  looks: number;
  restarts: number;
  /** Changes of the disk that were dropped. */
  undone: number;
  seconds: number;
}

export class Ground implements AsyncDisposable {
  readonly #dir: TempDir;
  readonly #broker: Broker;
  readonly truth: TopicTruth;
  #scenes = 0;

  private constructor(dir: TempDir, broker: Broker, truth: TopicTruth) {
    this.#dir = dir;
    this.#broker = broker;
    this.truth = truth;
  }

  static async open(): Promise<Ground> {
    const dir = new TempDir('fault-matrix');
    const broker = await startBroker(dir.join('data'));
    const ground = new Ground(dir, broker, new TopicTruth(TOPIC));
    const { address, truth } = ground;
    await createTopic(address, TOPIC, PARTITIONS.length);
    await truth.produce(address, ROUNDS[0]);
    await ground.#load(ground.template, FIRST_LOAD_MS);
    await truth.produce(address, ROUNDS[1]);
    cpSync(ground.template, ground.loadedTemplate, { recursive: true });
    await ground.#load(ground.loadedTemplate, LOAD_MS);
    return ground;
  }

  async #load(warehouse: string, nowMs: number): Promise<void> {
    const at = ['--broker', this.address, '--warehouse', `file:${warehouse}`, '--set', 'loader.workers=1'];
    const clock = { nowMs, storeMs: nowMs };
    const plan = { points: [], mutants: [], scratch: this.directory(), clock };
    const { status, stderr } = await new FaultyProcess(['load', '--topic', TOPIC, ...at], plan).ended;
    if (status !== 0) throw new Error(`a load without faults ended with ${status}: ${stderr}`);
  }

  get address(): string {
    return addressOf(this.#broker);
  }

  /** A warehouse that holds the first round, hour 0 marked. */
  get template(): string {
    return this.#dir.join('template');
  }

  /** A warehouse that holds both rounds, hours 0 and 1 marked. */
  get loadedTemplate(): string {
    return this.#dir.join('loaded-template');
  }

  /** A directory of its own for a case. */
  directory(): string {
    const path = this.#dir.join(`scene-${this.#scenes++}`);
    mkdirSync(path);
    return path;
  }

  /** Runs one case in a scene, and tells what was wrong with it. */
  async run(
    { id, name }: { id: string; name: string },
    options: Partial<SceneOptions>,
    play: (scene: Scene) => Promise<void>,
  ): Promise<CaseResult> {
    const directory = options.directory ?? this.directory();
    const startedMs = performance.now();
    const shared = { directory, address: this.address, truth: this.truth.clone(), template: this.template };
    const scene = new Scene({ ...shared, ...options });
    try {
      await play(scene);
    } catch (error) {
      scene.problems.push(error instanceof Error ? error.message : String(error));
    } finally {
      await scene[Symbol.asyncDispose]();
    }
    const { problems, watcher, restarts, undone } = scene;
    if (problems.length === 0 && options.directory === undefined) rmSync(directory, { recursive: true });
    const seconds = (performance.now() - startedMs) / 1_000;
    return { id, name, problems, looks: watcher.looks, restarts, undone, seconds };
  }

  /** The same for a case with a broker of its own. */
  async runApart(
    named: { id: string; name: string },
    options: Partial<SceneOptions>,
    play: (scene: Scene, place: Place) => Promise<void>,
  ): Promise<CaseResult> {
    const directory = this.directory();
    const place = await Place.open(join(directory, 'data'));
    try {
      const { address, truth } = place;
      const own = { directory, address, truth, template: undefined };
      const result = await this.run(named, { ...own, ...options }, (scene) => play(scene, place));
      return result;
    } finally {
      await place[Symbol.asyncDispose]();
      if (process.env['FAULT_KEEP'] === undefined) rmSync(directory, { recursive: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker.stop();
    if (process.env['FAULT_KEEP'] === undefined) this.#dir[Symbol.dispose]();
  }

  /** Where the scenes are, for who wants to look at one. */
  get path(): string {
    return this.#dir.path;
  }
}
