/**
 * HDFS with two NameNodes, of which at most one is active, and JournalNodes between them. Failover is by hand: nothing
 * becomes active unless told, so that a test decides who is what at every moment.
 */
import { Bed, type BedOptions } from './bed.ts';
import { Daemon } from './daemon.ts';
import { DataNode } from './data-node.ts';
import { Hadoop, LOADER, readBean, type Site } from './hadoop.ts';
import { CLIENT_URL, makeDirectories } from './hdfs.ts';
import { HDFS_SITE } from './hdfs-site.ts';
import { NAME_NODE_CLASS, NameNode, type NameNodePorts } from './name-node.ts';
import { freePorts, LOOPBACK } from './ports.ts';
import { waitFor } from './wait.ts';

const SERVICE = 'millrace';
const JOURNAL_NODE_CLASS = 'org.apache.hadoop.hdfs.qjournal.server.JournalNode';
const HA_ADMIN_CLASS = 'org.apache.hadoop.hdfs.tools.DFSHAAdmin';
const NAME_NODE_STATUS = 'Hadoop:service=NameNode,name=NameNodeStatus';
const STATE_LIMIT_MS = 300_000;

/** The two NameNodes by their ids in the configuration. */
const IDS = ['nn1', 'nn2'] as const;
export type NameNodeId = (typeof IDS)[number];

export interface HaOptions extends BedOptions {
  dataNodes?: number;
  journalNodes?: 1 | 3;
  site?: Site;
}

export class Ha implements AsyncDisposable {
  readonly hadoop: Hadoop;
  readonly nameNodes: Record<NameNodeId, NameNode>;
  readonly journalNodes: readonly Daemon[];
  readonly dataNodes: readonly DataNode[];

  constructor(hadoop: Hadoop, parts: Pick<Ha, 'nameNodes' | 'journalNodes' | 'dataNodes'>) {
    this.hadoop = hadoop;
    this.nameNodes = parts.nameNodes;
    this.journalNodes = parts.journalNodes;
    this.dataNodes = parts.dataNodes;
  }

  get bed(): Bed {
    return this.hadoop.bed;
  }

  /** The configuration directory of nn1; clients may use it. */
  get conf(): string {
    return this.nameNodes.nn1.conf;
  }

  /** The warehouse for a loader, both NameNodes in an order. */
  webUrl(order: readonly NameNodeId[] = IDS, user = LOADER, path = '/warehouse'): string {
    const hosts = order.map((id) => `${LOOPBACK}:${this.nameNodes[id].httpPort}`);
    return `webhdfs://${user}@${hosts.join(',')}${path}`;
  }

  get url(): string {
    return this.webUrl();
  }

  /** The logical URL for Hadoop's own clients that use `conf`. */
  get fsUrl(): string {
    return `hdfs://${SERVICE}`;
  }

  /** What a NameNode says it is: `active`, `standby`; undefined when it does not answer. */
  async stateOf(id: NameNodeId): Promise<string | undefined> {
    const bean = await readBean(
      this.nameNodes[id].httpPort,
      'Hadoop:service=NameNode,name=NameNodeStatus',
    ).catch(() => undefined);
    return bean && String(bean['State']);
  }

  /** Makes a NameNode active; the other must be standby, or be gone. */
  async transitionToActive(id: NameNodeId): Promise<void> {
    // The tool asks the other one first, and gives up when nobody answers unless told to go on.
    const other = await this.stateOf(id === 'nn1' ? 'nn2' : 'nn1');
    await this.haAdmin('-transitionToActive', ...(other === undefined ? ['--forceactive'] : []), id);
    await this.#until(id, 'active');
  }

  async transitionToStandby(id: NameNodeId): Promise<void> {
    await this.haAdmin('-transitionToStandby', id);
    await this.#until(id, 'standby');
  }

  /** Hands over from one that runs to the other. */
  async failover(from: NameNodeId, to: NameNodeId): Promise<void> {
    await this.haAdmin('-failover', from, to);
    await this.#until(to, 'active');
  }

  /** `hdfs haadmin ARGS…`. Takes seconds. */
  haAdmin(...args: string[]): Promise<string> {
    return this.hadoop.run({ conf: this.conf, main: HA_ADMIN_CLASS, args });
  }

  async #until(id: NameNodeId, state: string): Promise<void> {
    await waitFor(`${id} to be ${state}`, STATE_LIMIT_MS, async () => (await this.stateOf(id)) === state);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bed[Symbol.asyncDispose]();
  }
}

async function startJournalNodes(hadoop: Hadoop, count: number): Promise<{ nodes: Daemon[]; edits: string }> {
  const nodes: Daemon[] = [];
  const addresses: string[] = [];
  for (let number = 1; number <= count; number++) {
    const name = `journalnode${number}`;
    const ports = await freePorts('rpc', 'http');
    addresses.push(`${LOOPBACK}:${ports.rpc}`);
    const conf = await hadoop.writeConf(
      name,
      {},
      {
        'dfs.journalnode.rpc-address': `${LOOPBACK}:${ports.rpc}`,
        'dfs.journalnode.http-address': `${LOOPBACK}:${ports.http}`,
        'dfs.journalnode.edits.dir': hadoop.bed.join('data', name),
      },
    );
    const program = hadoop.program({ conf, main: JOURNAL_NODE_CLASS, heapMb: 192 }, async () => {
      await readBean(ports.http, 'Hadoop:service=JournalNode,name=JournalNodeInfo');
      return true;
    });
    nodes.push(hadoop.bed.add(new Daemon(hadoop.bed.place(name), program)));
  }
  await Promise.all(nodes.map((node) => node.start()));
  return { nodes, edits: `qjournal://${addresses.join(';')}/${SERVICE}` };
}

function haSite(bed: Bed, ports: Record<NameNodeId, NameNodePorts>, edits: string, options: HaOptions): Site {
  const addresses = IDS.flatMap((id) => [
    [`dfs.namenode.rpc-address.${SERVICE}.${id}`, `${LOOPBACK}:${ports[id].rpc}`],
    [`dfs.namenode.http-address.${SERVICE}.${id}`, `${LOOPBACK}:${ports[id].http}`],
    [`dfs.namenode.name.dir.${SERVICE}.${id}`, `file://${bed.join('data', id)}`],
  ]);
  return {
    ...HDFS_SITE,
    'dfs.replication': Math.min(options.dataNodes ?? 2, 2),
    'dfs.nameservices': SERVICE,
    [`dfs.ha.namenodes.${SERVICE}`]: IDS.join(','),
    ...Object.fromEntries(addresses),
    'dfs.namenode.shared.edits.dir': edits,
    [`dfs.client.failover.proxy.provider.${SERVICE}`]:
      'org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider',
    'dfs.ha.fencing.methods': 'shell(/bin/true)',
    'dfs.ha.automatic-failover.enabled': false,
    'dfs.ha.tail-edits.period': '1s',
    ...options.site,
  };
}

/** Both begin as standby. */
async function untilStandby({ http }: NameNodePorts): Promise<void> {
  await waitFor('a NameNode to be standby', STATE_LIMIT_MS, async () => {
    const bean = await readBean(http, NAME_NODE_STATUS).catch(() => undefined);
    return bean?.['State'] === 'standby';
  });
}

async function startIn(bed: Bed, options: HaOptions): Promise<Ha> {
  const hadoop = await Hadoop.open(bed);
  const journal = await startJournalNodes(hadoop, options.journalNodes ?? 1);
  const ports = { nn1: await freePorts('http', 'rpc'), nn2: await freePorts('http', 'rpc') };
  const core: Site = { 'fs.defaultFS': `hdfs://${SERVICE}` };
  const site = haSite(bed, ports, journal.edits, options);
  const dataNodes: DataNode[] = [];
  for (let number = 1; number <= (options.dataNodes ?? 2); number++)
    dataNodes.push(await DataNode.configure(hadoop, number, core, site));
  const running = () => dataNodes.filter((node) => node.running).length;
  const nameNode = async (id: NameNodeId) => {
    const conf = await hadoop.writeConf(id, core, { ...site, 'dfs.ha.namenode.id': id });
    return bed.add(new NameNode(hadoop, id, conf, ports[id], running));
  };
  const nameNodes = { nn1: await nameNode('nn1'), nn2: await nameNode('nn2') };
  const prepare = (id: NameNodeId, ...args: string[]) =>
    hadoop.run({
      conf: nameNodes[id].conf,
      main: NAME_NODE_CLASS,
      args: [...args, '-force', '-nonInteractive'],
    });
  await prepare('nn1', '-format', '-clusterid', 'CID-millrace');
  await nameNodes.nn1.start({ untilReady: false });
  await untilStandby(ports.nn1);
  await prepare('nn2', '-bootstrapStandby');
  await Promise.all([...dataNodes, nameNodes.nn2].map((daemon) => daemon.start({ untilReady: false })));
  await untilStandby(ports.nn2);
  const ha = new Ha(hadoop, { nameNodes, journalNodes: journal.nodes, dataNodes });
  await ha.transitionToActive('nn1');
  await Promise.all([...dataNodes, nameNodes.nn1, nameNodes.nn2].map((daemon) => daemon.ready()));
  await makeDirectories(ports.nn1.http);
  return ha;
}

/** Starts the pair with nn1 active and nn2 standby, and waits until they take files; end it with `await using`. */
export async function startHa(options: HaOptions = {}): Promise<Ha> {
  const bed = await Bed.open('ha', options);
  try {
    const ha = await startIn(bed, options);
    await bed.tell({ warehouse: ha.url, [CLIENT_URL]: ha.fsUrl, configuration: ha.conf });
    return ha;
  } catch (error) {
    await bed[Symbol.asyncDispose]();
    throw error;
  }
}
