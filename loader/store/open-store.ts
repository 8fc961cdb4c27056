/**
 * From a warehouse URL to a store. `file:PATH` is taken relative to the current directory, as a shell would; `webhdfs:`
 * and `swebhdfs:` name one or more NameNodes; any other scheme is refused with the list of those that are served.
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Settings } from '../../config/settings.ts';
import { DirectoryStore } from './directory-store.ts';
import { type Store, StoreError } from './store.ts';

/** The local path of a `file:` URL, absolute; undefined for other schemes. */
export function localWarehousePath(url: string): string | undefined {
  if (url.startsWith('file://')) return fileURLToPath(url);
  return url.startsWith('file:') && url.length > 'file:'.length
    ? resolve(url.slice('file:'.length))
    : undefined;
}

/**
 * Opens the warehouse of the settings; throws StoreError if its scheme is unknown or the place can't be used. `onlyReads`:
 * nothing is made there, not even the directory.
 */
export async function openStore(
  { loader, webhdfs }: { loader: Pick<Settings['loader'], 'warehouse'>; webhdfs: Settings['webhdfs'] },
  how: { onlyReads?: boolean } = {},
): Promise<Store> {
  const url = loader.warehouse;
  const path = localWarehousePath(url);
  if (path !== undefined) return await DirectoryStore.open(path, how);
  if (/^s?webhdfs:/.test(url)) {
    const { WebHdfsStore } = await import('./webhdfs-store.ts');
    return await WebHdfsStore.open(url, webhdfs);
  }
  const shown = url.replace(/\/\/[^@/]*@/, '//…@');
  throw new StoreError('open', shown, 'there is no such kind of warehouse', {
    hint: 'give it as file:PATH or webhdfs://USER@HOST:9870/path (swebhdfs: over TLS)',
  });
}
