/**
 * The DataNodes of a bed, each with a configuration directory, ports and data of its own. One serves when all its
 * connections to NameNodes are running.
 */
import { Daemon } from './daemon.ts';
import { type Hadoop, readBean, type Site } from './hadoop.ts';
import { freePorts, LOOPBACK } from './ports.ts';

const DATA_NODE_CLASS = 'org.apache.hadoop.hdfs.server.datanode.DataNode';

interface DataNodePorts {
  http: number;
  transfer: number;
  ipc: number;
}

/** A DataNode tells its NameNodes as JSON in a text: one object each, with `ActorState`. */
async function isRegistered(httpPort: number, { security }: Hadoop): Promise<boolean> {
  const bean = await readBean(httpPort, 'Hadoop:service=DataNode,name=DataNodeInfo', security);
  const actors = JSON.parse(String(bean['BPServiceActorInfo'])) as { ActorState: string }[];
  return actors.length > 0 && actors.every(({ ActorState }) => ActorState === 'RUNNING');
}

export class DataNode extends Daemon {
  readonly host = LOOPBACK;
  readonly httpPort: number;
  /** The port of block transfers, by which WebHDFS's `excludedatanodes` names a DataNode. */
  readonly transferPort: number;
  readonly conf: string;

  private constructor(hadoop: Hadoop, name: string, conf: string, ports: DataNodePorts) {
    super(
      hadoop.bed.place(name),
      hadoop.program({ conf, main: DATA_NODE_CLASS }, () => isRegistered(ports.http, hadoop)),
    );
    this.httpPort = ports.http;
    this.transferPort = ports.transfer;
    this.conf = conf;
  }

  /** The DataNode numbered `number` from 1, configured but not started. */
  static async configure(hadoop: Hadoop, number: number, core: Site, hdfs: Site): Promise<DataNode> {
    const name = `datanode${number}`;
    const ports = await freePorts('http', 'transfer', 'ipc');
    const conf = await hadoop.writeConf(name, core, {
      ...hdfs,
      'dfs.datanode.data.dir': `file://${hadoop.bed.join('data', name)}`,
      'dfs.datanode.hostname': LOOPBACK,
      'dfs.datanode.address': `${LOOPBACK}:${ports.transfer}`,
      'dfs.datanode.http.address': `${LOOPBACK}:${ports.http}`,
      'dfs.datanode.ipc.address': `${LOOPBACK}:${ports.ipc}`,
    });
    return hadoop.bed.add(new DataNode(hadoop, name, conf, ports));
  }
}
