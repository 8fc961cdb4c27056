/**
 * A NameNode of a bed. It serves when it has left safe mode and sees as many DataNodes as run.
 */
import { Daemon } from './daemon.ts';
import { type Hadoop, type HadoopSecurity, readBean } from './hadoop.ts';
import { LOOPBACK } from './ports.ts';

export const NAME_NODE_CLASS = 'org.apache.hadoop.hdfs.server.namenode.NameNode';

export interface NameNodePorts {
  http: number;
  rpc: number;
}

interface StorageStats {
  key: string;
  value: { nodesInService: number };
}

/**
 * Whether safe mode is over, and how many DataNodes there are. `live`: those in service that were heard of lately.
 * `targets`: those that clients are sent to, among them the dead until the NameNode has looked again; its statistics
 * count one too few for good when DataNodes registered while it started, so this may be less than there are.
 */
export async function fileSystemState(
  httpPort: number,
  security?: HadoopSecurity,
): Promise<{ live: number; targets: number; operational: boolean }> {
  const bean = (name: string) => readBean(httpPort, `Hadoop:service=NameNode,name=${name}`, security);
  const { FSState, NumInServiceLiveDataNodes } = await bean('FSNamesystemState');
  const { StorageTypeStats } = await bean('BlockStats');
  const disks = (StorageTypeStats as StorageStats[]).find(({ key }) => key === 'DISK');
  const targets = disks?.value.nodesInService ?? 0;
  return { live: Number(NumInServiceLiveDataNodes), targets, operational: FSState === 'Operational' };
}

export class NameNode extends Daemon {
  readonly host = LOOPBACK;
  readonly httpPort: number;
  readonly rpcPort: number;
  readonly conf: string;

  /** `expected`: how many DataNodes it must see before it counts as serving. */
  constructor(hadoop: Hadoop, name: string, conf: string, ports: NameNodePorts, expected: () => number) {
    super(
      hadoop.bed.place(name),
      hadoop.program({ conf, main: NAME_NODE_CLASS, heapMb: 384 }, async () => {
        const { live, operational } = await fileSystemState(ports.http, hadoop.security);
        return operational && live >= expected();
      }),
    );
    this.httpPort = ports.http;
    this.rpcPort = ports.rpc;
    this.conf = conf;
  }
}
