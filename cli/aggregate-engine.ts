/**
 * What runs the SQL of aggregates, by name and by the settings: DuckDB in this process, with the memory that the loader's
 * workers have together, or the Spark of SPARK_HOME.
 */
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import type { Settings } from '../config/settings.ts';
import type { Engine } from '../jobs/engine/engine.ts';
import type { Store } from '../loader/store/store.ts';
import type { CommandContext } from './context.ts';

export const ENGINES = ['duckdb', 'spark'] as const;
export type EngineName = (typeof ENGINES)[number];

/** The engine; the caller owns it (`await using`). `localDirectory` must exist. */
export async function openEngine(
  name: EngineName,
  { settings, now, signal }: CommandContext,
  store: Store,
  localDirectory: string,
): Promise<Engine> {
  if (name === 'spark') {
    const { SparkEngine } = await import('../jobs/engine/spark.ts');
    const { home, master } = settings.aggregates.spark;
    const { warehouse, user } = await sparkWarehouse(settings);
    return await SparkEngine.open({
      store,
      warehouse,
      home: home || process.env['SPARK_HOME'] || '',
      master,
      localDirectory,
      environment: { ...(user && { HADOOP_USER_NAME: user }), ...process.env },
      now,
      signal,
    });
  }
  const { DuckDbEngine } = await import('../jobs/engine/duckdb.ts');
  const workers = settings.loader.workers || availableParallelism();
  return await DuckDbEngine.open({
    memoryBytes: settings.loader.duckdbMemoryBytes * workers,
    temporaryDirectory: localDirectory,
    threads: workers,
  });
}

/** The root of the table as Spark reaches it, and the user whom HDFS knows us as, if the settings name one. */
async function sparkWarehouse({
  aggregates,
  loader,
  webhdfs,
}: Settings): Promise<{ warehouse: string; user: string }> {
  const { localWarehousePath } = await import('../loader/store/open-store.ts');
  const { parseWebHdfsUrl } = await import('../loader/store/webhdfs-address.ts');
  const local = localWarehousePath(loader.warehouse);
  const address = parseWebHdfsUrl(loader.warehouse);
  const user = webhdfs.auth === 'simple' ? (address?.user ?? webhdfs.user) : '';
  const given = aggregates.spark.warehouse;
  if (given !== '') return { warehouse: given, user };
  if (local !== undefined) return { warehouse: pathToFileURL(local).href, user };
  const [nameNode, second] = address?.nameNodes ?? [];
  if (!address || nameNode === undefined || second !== undefined)
    throw new Error(
      `Spark can't be told several NameNodes by ${address?.shown ?? 'loader.warehouse'}; set aggregates.spark.warehouse to hdfs://NAMESERVICE/path`,
    );
  return { warehouse: `${address.scheme}://${nameNode.replace(/^https?:\/\//, '')}${address.root}`, user };
}
