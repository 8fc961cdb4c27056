/**
 * From a warehouse URL to a store. `file:PATH` is taken relative to the current directory, as a shell would; every other
 * scheme is refused with the list of those that are served.
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DirectoryStore } from './directory-store.ts';
import { type Store, StoreError } from './store.ts';

/** The local path of a `file:` URL, absolute; undefined for other schemes. */
export function localWarehousePath(url: string): string | undefined {
  if (url.startsWith('file://')) return fileURLToPath(url);
  return url.startsWith('file:') && url.length > 'file:'.length
    ? resolve(url.slice('file:'.length))
    : undefined;
}

/** Opens the store of a warehouse URL; throws StoreError if the scheme is unknown or the place can't be used. */
export async function openStore(url: string): Promise<Store> {
  const path = localWarehousePath(url);
  if (path !== undefined) return await DirectoryStore.open(path);
  const shown = url.replace(/\/\/[^@/]*@/, '//…@');
  throw new StoreError('open', shown, 'this version writes to local directories only', {
    hint: 'give the warehouse as file:PATH',
  });
}
