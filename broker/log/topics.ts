/**
 * The topics of a broker and where they are written down: one small JSON file each, replaced as a whole. The id is given
 * at creation and never changes; a topic made again under the same name gets another one, by which clients tell them
 * apart (KIP-516).
 */
import fs from 'node:fs';
import path from 'node:path';
import { isTopicName } from '../topic-partition.ts';
import { removeFile, replaceFile } from './durable-file.ts';
import { TEMPORARY_SUFFIX, TOPICS_DIRECTORY, topicFileName } from './file-names.ts';
import type { TopicConfigs } from './log-config.ts';

const FILE_VERSION = 1;

export interface Topic {
  name: string;
  /** UUID as text. */
  topicId: string;
  partitions: number;
  /** Overrides, as given. */
  configs: TopicConfigs;
  /** Struck out, but its files may still be there: the deletion is finished at the next start. */
  deleting?: true;
}

export class Topics {
  readonly #directory: string;
  readonly #topics = new Map<string, Topic>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Reads all topics of a data directory. Throws an Error that names a file which is not whole. */
  static open(dataDir: string): Topics {
    const topics = new Topics(path.join(dataDir, TOPICS_DIRECTORY));
    fs.mkdirSync(topics.#directory, { recursive: true });
    for (const name of fs.readdirSync(topics.#directory).sort()) {
      const file = path.join(topics.#directory, name);
      if (name.endsWith(TEMPORARY_SUFFIX)) fs.rmSync(file, { force: true });
      else if (name.endsWith('.json')) topics.#add(readTopic(file));
    }
    return topics;
  }

  #add(topic: Topic): void {
    this.#topics.set(topic.name, topic);
  }

  get(name: string): Topic | undefined {
    const topic = this.#topics.get(name);
    return topic?.deleting ? undefined : topic;
  }

  /** Whether the name is taken, be it by a topic that is being deleted. */
  has(name: string): boolean {
    return this.#topics.has(name);
  }

  byId(topicId: string): Topic | undefined {
    return this.all().find((topic) => topic.topicId === topicId);
  }

  /** All topics, by name. */
  all(): Topic[] {
    return this.#sorted().filter(({ deleting }) => !deleting);
  }

  /** Topics whose deletion was begun. */
  deleting(): Topic[] {
    return this.#sorted().filter(({ deleting }) => deleting);
  }

  #sorted(): Topic[] {
    return [...this.#topics.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get partitionCount(): number {
    return this.all().reduce((sum, { partitions }) => sum + partitions, 0);
  }

  /** Writes a topic down; from then on it exists, or if `deleting` no longer. */
  put(topic: Topic): void {
    replaceFile(
      path.join(this.#directory, topicFileName(topic.name)),
      `${JSON.stringify({ version: FILE_VERSION, ...topic }, null, 2)}\n`,
    );
    this.#add(topic);
  }

  /** Forgets a topic whose logs are gone. */
  remove(name: string): void {
    removeFile(path.join(this.#directory, topicFileName(name)));
    this.#topics.delete(name);
  }
}

function readTopic(file: string): Topic {
  const damaged = (problem: string) =>
    new Error(`topic file ${file} ${problem}: restore it from a copy, or remove it together with its logs`);
  let body: Partial<Topic> & { version?: unknown };
  try {
    body = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    throw damaged(`cannot be read (${(error as Error).message})`);
  }
  const { version, name, topicId, partitions, configs, deleting } = body;
  if (version !== FILE_VERSION) throw damaged(`has version ${version}, this broker reads ${FILE_VERSION}`);
  const isWhole =
    typeof name === 'string' &&
    isTopicName(name) &&
    typeof topicId === 'string' &&
    Number.isInteger(partitions);
  if (!isWhole) throw damaged('lacks its name, id or number of partitions');
  const topic: Topic = { name, topicId, partitions: partitions as number, configs: configs ?? {} };
  return deleting ? { ...topic, deleting } : topic;
}
