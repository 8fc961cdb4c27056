/**
 * Where a warehouse on HDFS is: `webhdfs://user@host1:9870,host2:9870/path`, or `swebhdfs:` over TLS. Pure: takes URLs
 * and paths apart, puts requests together, and takes secrets out of what is shown. Paths of HDFS are stricter than a
 * file system's: a part of one holds no colon.
 */
import { StoreError } from './store.ts';

const DEFAULT_PORT = { webhdfs: 9870, swebhdfs: 9871 } as const;
/** Limits of the NameNode (dfs.namenode.fs-limits.max-component-length, HDFS's MAX_PATH_LENGTH). */
const MAX_COMPONENT_BYTES = 255;
const MAX_PATH_LENGTH = 8_000;

/** `nameNodes`: origins, `http://host:9870`. `root`: absolute path, '' for the root itself. `shown`: the URL without the user. */
export interface WebHdfsAddress {
  scheme: 'webhdfs' | 'swebhdfs';
  nameNodes: readonly string[];
  root: string;
  user: string | undefined;
  shown: string;
}

/** Names that simple authentication takes; any other is refused by the NameNode with an error that says little. */
export const USER_NAME = /^[A-Za-z_][A-Za-z0-9._-]*[$]?$/;

function bad(shown: string, why: string): StoreError {
  return new StoreError('open', shown, why, {
    hint: 'give the warehouse as webhdfs://USER@HOST:9870[,HOST:9870]/path',
  });
}

/** The address in a `webhdfs:` or `swebhdfs:` URL; undefined for another scheme. Throws StoreError if it is malformed. */
export function parseWebHdfsUrl(url: string): WebHdfsAddress | undefined {
  const scheme = /^(s?webhdfs):/.exec(url)?.[1] as WebHdfsAddress['scheme'] | undefined;
  if (scheme === undefined) return undefined;
  const hidden = url.replace(/\/\/[^/]*@/, '//');
  const parts = /^s?webhdfs:\/\/(?:([^/@]*)@)?([^/?#@]+)(\/[^?#]*)?$/.exec(url);
  if (parts === null) throw bad(hidden, 'this is no address of an HDFS warehouse');
  const [, user, hosts, path = ''] = parts;
  if (user?.includes(':'))
    throw bad(
      hidden,
      'a password has no place in the URL; set webhdfs.basicAuthFile where a gateway asks for one',
    );
  const nameNodes = hosts!.split(',').map((host) => {
    const found = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/.exec(host);
    if (found === null || Number(found[2] ?? 1) > 65_535) throw bad(hidden, `"${host}" is no HOST:PORT`);
    const protocol = scheme === 'webhdfs' ? 'http' : 'https';
    return `${protocol}://${found[1]!.toLowerCase()}:${found[2] ?? DEFAULT_PORT[scheme]}`;
  });
  const root = decodeURI(path).replace(/\/+$/, '');
  const shown = `${scheme}://${nameNodes.map((origin) => origin.replace(/^https?:\/\//, '')).join(',')}${root || '/'}`;
  checkParts(root.slice(1), shown);
  return { scheme, nameNodes, root, user: user === undefined ? undefined : decodeURIComponent(user), shown };
}

function checkParts(path: string, shown: string): void {
  for (const part of path === '' ? [] : path.split('/')) {
    if (part === '' || part === '.' || part === '..')
      throw new StoreError('open', shown, 'a path inside a warehouse has no empty, "." or ".." part');
    if (part.includes(':') || part.includes('\0'))
      throw new StoreError('open', shown, `HDFS takes no colon in a name: "${part}"`);
    if (Buffer.byteLength(part) > MAX_COMPONENT_BYTES)
      throw new StoreError(
        'open',
        shown,
        `a name of more than ${MAX_COMPONENT_BYTES} bytes: "${part.slice(0, 40)}…"`,
      );
  }
}

/** The absolute path in HDFS of a path inside the warehouse; throws StoreError for one that could leave it. */
export function hdfsPath({ root }: Pick<WebHdfsAddress, 'root'>, path: string): string {
  checkParts(path, path);
  const whole = path === '' ? root || '/' : `${root}/${path}`;
  if (whole.length > MAX_PATH_LENGTH)
    throw new StoreError('open', path, `a path of more than ${MAX_PATH_LENGTH} characters`);
  return whole;
}

/** Values of a request's query; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** What stands after the origin in a request: API prefix, path, query, each part encoded by itself. */
export function targetOf(apiPath: string, path: string, query: Query): string {
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return `${apiPath}${encoded}?${pairs.join('&')}`;
}

/** Takes secrets out of a text that quotes a request: tokens, users, Knox's encrypted queries, cookies, passwords. */
export function redacted(text: string): string {
  return text
    .replace(
      /([?&;\s"']|^)(delegation|token|user\.name|doas|_|hadoop\.auth)=("[^"]*"|[^&\s"'<>]*)/gi,
      '$1$2=…',
    )
    .replace(/\b(Negotiate|Basic)\s+[A-Za-z0-9+/=_-]{8,}/g, '$1 …')
    .replace(/\/\/[^/@\s]*@/g, '//…@');
}
