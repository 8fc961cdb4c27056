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
 * Whether safe mode is over, and the DataNodes that a NameNode sends clients to. These are not `NumLiveDataNodes`: that
 * number falls when a silent DataNode's time is up, but clients are sent there until the NameNode has looked again.
 */
export async function fileSystemState(
  httpPort: number,
  security?: HadoopSecurity,
): Promise<{ live: number; operational: boolean }> {
  const bean = (name: string) => readBean(httpPort, `Hadoop:service=NameNode,name=${name}`, security);
  const { FSState } = await bean('FSNamesystemState');
  const { StorageTypeStats } = await bean('BlockStats');
  const disks = (StorageTypeStats as StorageStats[]).find(({ key }) => key === 'DISK');
  return { live: disks?.value.nodesInService ?? 0, operational: FSState === 'Operational' };
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
