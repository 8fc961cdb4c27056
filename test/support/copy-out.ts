/**
 * Copies the visible files of a topic from any store into a local directory, so that foreign eyes can look at them.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Store } from '../../loader/store/store.ts';

/** Copies what lies in the hours' directories, but for markers, below `to/<topic>`; returns the paths relative to the topic. */
export async function copyOut(store: Store, topic: string, to: string): Promise<string[]> {
  const copied: string[] = [];
  const copy = async (directory: string): Promise<void> => {
    for (const { name, kind } of await store.list(`${topic}/${directory}`)) {
      const path = `${directory}/${name}`;
      if (kind === 'directory') await copy(path);
      else if (name !== '_SUCCESS') {
        const local = join(to, topic, path);
        mkdirSync(dirname(local), { recursive: true });
        writeFileSync(local, (await store.read(`${topic}/${path}`))!);
        copied.push(path);
      }
    }
  };
  for (const { name } of await store.list(topic)) if (name.startsWith('dt=')) await copy(name);
  return copied;
}
