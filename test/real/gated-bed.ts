/**
 * HDFS with one NameNode, a broker, and a gate before HDFS, for tests in which something goes wrong at a chosen moment of
 * a load or a rewrite.
 */
import type { Broker } from '../../broker/broker.ts';
import { HdfsGate } from '../support/hdfs-gate.ts';
import { HdfsLoad, warehouseAt } from '../support/hdfs-load.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';
import { type Hdfs, startHdfs } from './bed/hdfs.ts';

export class GatedBed implements AsyncDisposable {
  readonly hdfs: Hdfs;
  readonly gate: HdfsGate;
  readonly #dir: TempDir;
  readonly #broker: Broker;
  #topics = 0;

  private constructor(dir: TempDir, hdfs: Hdfs, broker: Broker, gate: HdfsGate) {
    this.#dir = dir;
    this.hdfs = hdfs;
    this.#broker = broker;
    this.gate = gate;
  }

  static async open(name: string): Promise<GatedBed> {
    const dir = new TempDir(name);
    const hdfs = await startHdfs();
    const broker = await startBroker(dir.join('data'));
    const gate = await HdfsGate.open({
      nameNodes: [hdfs.nameNode.httpPort],
      dataNodes: hdfs.dataNodes.map(({ httpPort }) => httpPort),
    });
    return new GatedBed(dir, hdfs, broker, gate);
  }

  /** A topic of 6,000 events of three hours, to be loaded through the gate; their records' timestamp, if not now. */
  async newLoad(timestampMs?: number): Promise<HdfsLoad> {
    const topic = `topic${++this.#topics}`;
    const options = {
      broker: addressOf(this.#broker),
      topic,
      copies: this.#dir.join(topic),
      httpPort: () => this.hdfs.nameNode.httpPort,
      warehouse: this.warehouse(),
    };
    return await HdfsLoad.of(options, timestampMs);
  }

  /** The warehouse through the gate. */
  warehouse(user?: string): string {
    return warehouseAt([this.gate.address('nn1')], user);
  }

  /** Path of the newest topic in HDFS. */
  topicPath(): string {
    return `/warehouse/topic${this.#topics}`;
  }

  killNameNode = async (): Promise<void> => {
    await this.hdfs.nameNode.kill();
    await this.gate.down('nn1');
  };

  startNameNode = async (): Promise<void> => {
    await this.hdfs.nameNode.start();
    await this.gate.up('nn1');
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gate[Symbol.asyncDispose]();
    await this.#broker.stop();
    await this.hdfs[Symbol.asyncDispose]();
    this.#dir[Symbol.dispose]();
  }
}
