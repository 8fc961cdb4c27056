/**
 * HDFS as plain processes: one NameNode and some DataNodes on free loopback ports, each to be killed and started again.
 * `/warehouse` is there and belongs to `loader`.
 */
import { Bed, type BedOptions } from './bed.ts';
import { DataNode } from './data-node.ts';
import { Hadoop, type HadoopSecurity, LOADER, type Site } from './hadoop.ts';
import { HDFS_SITE } from './hdfs-site.ts';
import { fileSystemState, NAME_NODE_CLASS, NameNode } from './name-node.ts';
import { freePorts, LOOPBACK } from './ports.ts';
import { waitFor } from './wait.ts';

/** The fact of a bed that holds the URL for Hadoop's own clients. */
export const CLIENT_URL = 'for Hadoop clients';

const LIVE_LIMIT_MS = 300_000;
const FS_SHELL_CLASS = 'org.apache.hadoop.fs.FsShell';
const ADMIN_CLASS = 'org.apache.hadoop.hdfs.tools.DFSAdmin';

export interface HdfsOptions extends BedOptions {
  /** Default 2. */
  dataNodes?: number;
  /** Copies of a block; all DataNodes unless told, at most 2. */
  replication?: number;
  /** Settings of hdfs-site.xml over the bed's own, for all daemons. */
  site?: Site;
  /** What the bed is called; `hdfs` unless told. */
  kind?: string;
  security?: HadoopSecurity;
  /** A bed that is open already, and then the caller's to end. */
  bed?: Bed;
}

export class Hdfs implements AsyncDisposable {
  readonly hadoop: Hadoop;
  readonly nameNode: NameNode;
  readonly dataNodes: readonly DataNode[];

  constructor(hadoop: Hadoop, nameNode: NameNode, dataNodes: readonly DataNode[]) {
    this.hadoop = hadoop;
    this.nameNode = nameNode;
    this.dataNodes = dataNodes;
  }

  get bed(): Bed {
    return this.hadoop.bed;
  }

  /** The NameNode's configuration directory: core-site.xml and hdfs-site.xml, also good for clients. */
  get conf(): string {
    return this.nameNode.conf;
  }

  /** The warehouse for a loader. */
  get url(): string {
    return this.webUrl();
  }

  webUrl(user = LOADER, path = '/warehouse'): string {
    return `webhdfs://${user}@${this.nameNode.host}:${this.nameNode.httpPort}${path}`;
  }

  /** The URL by which Hadoop's own clients know it. */
  get fsUrl(): string {
    return `hdfs://${this.nameNode.host}:${this.nameNode.rpcPort}`;
  }

  /** `hdfs dfsadmin ARGS…`, as the superuser: `-safemode enter`, `-setSpaceQuota 1m /warehouse`. Takes seconds. */
  dfsadmin(...args: string[]): Promise<string> {
    return this.hadoop.run({ conf: this.conf, main: ADMIN_CLASS, args });
  }

  /** `hadoop fs ARGS…`, as the superuser. */
  fs(...args: string[]): Promise<string> {
    return this.hadoop.run({ conf: this.conf, main: FS_SHELL_CLASS, args });
  }

  /** Waits until the NameNode knows of exactly so many, and sends clients to no others. One killed counts for 14 to 20 s more. */
  async untilLive(count: number): Promise<void> {
    await waitFor(`${count} live DataNodes`, LIVE_LIMIT_MS, async () => {
      const { live, targets } = await fileSystemState(this.nameNode.httpPort, this.hadoop.security);
      return live === count && targets <= count;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bed[Symbol.asyncDispose]();
  }
}

/** One operation by WebHDFS that needs no body, as a user; throws what the NameNode says. */
export async function webHdfsPut(
  httpPort: number,
  user: string,
  path: string,
  query: string,
  headers: Record<string, string> = {},
): Promise<void> {
  const url = `http://${LOOPBACK}:${httpPort}/webhdfs/v1${path}?user.name=${user}&${query}`;
  const response = await fetch(url, { method: 'PUT', headers, signal: AbortSignal.timeout(60_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`PUT ${path}?${query}: ${response.status} ${text}`);
}

/** Makes the directories that every bed has. */
export async function makeDirectories(httpPort: number, security?: HadoopSecurity): Promise<void> {
  const put = async (path: string, query: string) =>
    webHdfsPut(httpPort, 'hdfs', path, query, await security?.headers());
  await put('/warehouse', 'op=MKDIRS');
  await put('/warehouse', `op=SETOWNER&owner=${LOADER}&group=${LOADER}`);
  await put('/tmp', 'op=MKDIRS&permission=1777');
}

async function startIn(
  bed: Bed,
  { dataNodes: count = 2, replication, site = {}, security }: HdfsOptions,
): Promise<Hdfs> {
  const hadoop = await Hadoop.open(bed, security);
  const ports = await freePorts('http', 'rpc');
  const core: Site = { 'fs.defaultFS': `hdfs://${LOOPBACK}:${ports.rpc}` };
  const shared: Site = {
    ...HDFS_SITE,
    'dfs.replication': replication ?? Math.min(count, 2),
    'dfs.namenode.rpc-address': `${LOOPBACK}:${ports.rpc}`,
    'dfs.namenode.http-address': `${LOOPBACK}:${ports.http}`,
    'dfs.namenode.name.dir': `file://${bed.join('data', 'namenode')}`,
    ...site,
  };
  const conf = await hadoop.writeConf('namenode', core, shared);
  const dataNodes: DataNode[] = [];
  for (let number = 1; number <= count; number++)
    dataNodes.push(await DataNode.configure(hadoop, number, core, shared));
  const running = () => dataNodes.filter((node) => node.running).length;
  const nameNode = bed.add(new NameNode(hadoop, 'namenode', conf, ports, running));
  const format = ['-format', '-force', '-nonInteractive', '-clusterid', 'CID-millrace'];
  await hadoop.run({ conf, main: NAME_NODE_CLASS, args: format });
  await Promise.all([...dataNodes, nameNode].map((daemon) => daemon.start({ untilReady: false })));
  await Promise.all([...dataNodes, nameNode].map((daemon) => daemon.ready()));
  await makeDirectories(nameNode.httpPort, security);
  return new Hdfs(hadoop, nameNode, dataNodes);
}

/** Starts HDFS and waits until it takes files; end it with `await using`. */
export async function startHdfs(options: HdfsOptions = {}): Promise<Hdfs> {
  const bed = options.bed ?? (await Bed.open(options.kind ?? 'hdfs', options));
  try {
    const hdfs = await startIn(bed, options);
    await bed.tell({
      warehouse: hdfs.url,
      [CLIENT_URL]: hdfs.fsUrl,
      'NameNode page': `http://${LOOPBACK}:${hdfs.nameNode.httpPort}`,
      configuration: hdfs.conf,
      'superuser, loader': `hdfs, ${LOADER}`,
    });
    return hdfs;
  } catch (error) {
    await bed[Symbol.asyncDispose]();
    throw error;
  }
}
