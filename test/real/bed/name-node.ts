/**
 * A NameNode of a bed. It serves when it has left safe mode and sees as many DataNodes as run.
 */
import { Daemon } from './daemon.ts';
import { type Hadoop, readBean } from './hadoop.ts';
import { LOOPBACK } from './ports.ts';

export const NAME_NODE_CLASS = 'org.apache.hadoop.hdfs.server.namenode.NameNode';

export interface NameNodePorts {
  http: number;
  rpc: number;
}

/** Live DataNodes, and whether safe mode is over, as a NameNode sees it. */
export async function fileSystemState(httpPort: number): Promise<{ live: number; operational: boolean }> {
  const bean = await readBean(httpPort, 'Hadoop:service=NameNode,name=FSNamesystemState');
  return { live: Number(bean['NumLiveDataNodes']), operational: bean['FSState'] === 'Operational' };
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
        const { live, operational } = await fileSystemState(ports.http);
        return operational && live >= expected();
      }),
    );
    this.httpPort = ports.http;
    this.rpcPort = ports.rpc;
    this.conf = conf;
  }
}
