/**
 * What talking to an HDFS is made of — address, settings, credentials, connections — put together from a URL and the
 * settings; and the line a person reads when it fails.
 */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Settings } from '../../config/settings.ts';
import { StoreError } from './store.ts';
import { parseWebHdfsUrl } from './webhdfs-address.ts';
import { WebHdfsClient } from './webhdfs-client.ts';
import { Credentials } from './webhdfs-credentials.ts';
import type { HttpFailure } from './webhdfs-failure.ts';
import type { NameNodeParts } from './webhdfs-name-nodes.ts';

/** The parts for a `webhdfs:` or `swebhdfs:` URL. Asks no server. Throws StoreError for what can't be right. */
export async function openParts(url: string, settings: Settings['webhdfs']): Promise<NameNodeParts> {
  const address = parseWebHdfsUrl(url);
  if (address === undefined)
    throw new StoreError('open', url, 'this is no webhdfs: URL', {
      hint: 'give the warehouse as webhdfs://USER@HOST:9870/path (swebhdfs: over TLS)',
    });
  const { connectTimeoutMs, idleTimeoutMs, caFile, apiPath } = settings;
  if (!/^(\/[A-Za-z0-9._-]+)+$/.test(apiPath))
    throw new StoreError('open', address.shown, `webhdfs.apiPath is "${apiPath}"`, {
      hint: 'it is a path such as /webhdfs/v1 or /gateway/NAME/webhdfs/v1',
    });
  const credentials = new Credentials(address, settings);
  const ca = caFile === '' ? undefined : await readCa(caFile);
  return {
    address,
    settings,
    credentials,
    client: new WebHdfsClient({ connectTimeoutMs, idleTimeoutMs, ca }),
  };
}

async function readCa(path: string): Promise<Buffer> {
  return await readFile(path).catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StoreError('open', path, `webhdfs.caFile can't be read: ${code}`, {
      hint: `check the path; certificates stand in it as PEM (looked in ${dirname(path)})`,
      cause,
    });
  });
}

/** The line a person reads: servers, path, what was answered by whom, what to do. `told`: what to do about some kinds, if it is not the usual. */
export function storeErrorOf(
  op: string,
  absolute: string,
  failure: HttpFailure,
  { address, credentials }: NameNodeParts,
  told: Partial<Record<HttpFailure['kind'], string>> = {},
): StoreError {
  const { kind, origin, message, row } = failure;
  const { nameNodes, scheme } = address;
  const hosts = nameNodes.map((each) => each.replace(/^https?:\/\//, ''));
  const at = origin.replace(/^https?:\/\//, '');
  const { who } = credentials;
  const hints: Partial<Record<typeof kind, string>> = {
    denied: `give ${who} the right to ${absolute} (hdfs dfs -chown, -chmod or -setfacl)`,
    proxyUser: `the NameNode must allow it by hadoop.proxyuser.*, or unset webhdfs.doAs (${who})`,
    token: credentials.remedy(message),
    ...told,
  };
  const by = message.includes(at) ? '' : ` (${at})`;
  return new StoreError(op, `${scheme}://${hosts.join(',')}${absolute}`, `${message}${by}`, {
    retriable: row.retriable,
    hint: hints[kind] ?? row.hint,
    cause: failure,
  });
}
