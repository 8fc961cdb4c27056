/**
 * One topic of Apache Kafka into one HDFS, by `millrace load` and by Spark Structured Streaming that takes what is there
 * and ends: the same events, the same columns, directories and codec, two threads each, from the start of a process to
 * its end. Every run makes a table of its own; afterwards each is read by Spark and must hold the same.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { typeName } from '../../schemas/column.ts';
import { findSchema } from '../../schemas/event-schema.ts';
import { runCommand } from '../../test/real/bed/command.ts';
import { LOADER } from '../../test/real/bed/hadoop.ts';
import { type Hdfs, startHdfs } from '../../test/real/bed/hdfs.ts';
import { fetchJars } from '../../test/real/bed/jars.ts';
import { javaArguments, javaCommand } from '../../test/real/bed/java.ts';
import type { Kafka } from '../../test/real/bed/kafka.ts';
import { LOOPBACK } from '../../test/real/bed/ports.ts';
import { startSpark } from '../../test/real/bed/spark.ts';
import { printLine } from '../report.ts';
import { writeWebEvents } from '../web-events.ts';
import { countRecords, createTopic, PARTITIONS, produceLines, startShippedKafka } from './brokers.ts';
import { compare, type Run } from './comparison.ts';
import type { PeerOptions } from './peer-options.ts';
import { printComparison } from './peer-tables.ts';
import { type ProgramRun, runProgram, watch } from './process-usage.ts';
import { settle } from './produce-and-consume.ts';

const EVENTS = 2_000_000;
const RUNS = 3;
const HOURS = 2;
const THREADS = 2;
const TOPIC = 'web';
const SCHEMA = 'web_request';
const MILLRACE = join(import.meta.dirname, '../../bin/millrace.mjs');
const SPARK_SOURCE = join(import.meta.dirname, 'SparkLoad.java');
const COMPILE_LIMIT_MS = 60_000;
/** The JVM's own choices but for the heap: what spark-submit gives a driver. */
const SPARK_HEAP_MB = 1024;
/**
 * Settings of Spark's Kafka consumer. As it comes it asks the broker again after every 500 records, and drops what was
 * fetched ahead; the second takes a whole fetch at once.
 */
const SPARKS = {
  'Spark as it comes': '',
  'Spark, consumer tuned': 'max.poll.records=100000,max.partition.fetch.bytes=8388608',
};
/** Heap of NameNode and DataNodes; else the JVM's own choices. */
const HADOOP_JVM = ['-Xmx1g'];

/** What the loads work with. */
interface Scene {
  kafka: Kafka;
  hdfs: Hdfs;
  /** Directory of the compiled driver, and Spark's own jars. */
  sparkClassPath: string[];
  /** Columns of the events as Spark writes them. */
  columns: string;
  eventTime: string;
  signal: AbortSignal;
}

export async function benchLoads(options: PeerOptions): Promise<void> {
  const { signal, say, markdown, events = EVENTS, runs = RUNS } = options;
  await using kafka = await startShippedKafka();
  signal.throwIfAborted();
  await using hdfs = await startHdfs({ jvm: HADOOP_JVM });
  signal.throwIfAborted();
  const bytes = await fillTopic(kafka, events, signal);
  const scene = { kafka, hdfs, signal, ...(await compileDriver(hdfs)), ...(await sparkColumns()) };
  const sides = [
    loader('millrace load', 'millrace', (warehouse) => millraceLoad(scene, warehouse)),
    ...Object.entries(SPARKS).map(([name, consumer], index) =>
      loader(name, `spark${index}`, (warehouse) => sparkLoad(scene, warehouse, consumer)),
    ),
  ];
  // Uncounted: they warm the compilers of Kafka and HDFS.
  for (const { run } of sides) await run();
  const results = await compare(sides, { runs, signal, say });
  const contents = await compareTables(scene, sides, events);
  const what = `${events} ${SCHEMA} events of ${Math.round(bytes / events)} bytes on average, ${HOURS} hours, lz4`;
  const way = `${PARTITIONS} partitions of Apache Kafka to Snappy Parquet in HDFS`;
  const title = `load: ${what}, ${way}, ${THREADS} threads, ${runs} runs each`;
  printComparison({ title, events, bytesEach: bytes / events }, results, markdown);
  printLine(contents);
}

/** A side of the comparison that remembers the tables it made. */
interface Loader {
  name: string;
  run: () => Promise<Run>;
  tables: string[];
}

interface Loaded {
  run: Run;
  /** What Spark reads it by. */
  table: string;
}

function loader(name: string, path: string, load: (warehouse: string) => Promise<Loaded>): Loader {
  const tables: string[] = [];
  const run = async () => {
    const loaded = await load(`/warehouse/${path}-${tables.length}`);
    tables.push(loaded.table);
    return loaded.run;
  };
  return { name, run, tables };
}

/** Returns the bytes of the events. */
async function fillTopic(kafka: Kafka, events: number, signal: AbortSignal): Promise<number> {
  const file = kafka.bed.join('tmp', 'events');
  const bytes = writeWebEvents(file, events, HOURS);
  await createTopic(kafka.bootstrap, TOPIC);
  await produceLines(kafka.bootstrap, TOPIC, file, signal, 'lz4');
  const records = await countRecords(kafka.bootstrap, TOPIC);
  if (records !== events) throw new Error(`Kafka took ${records} of ${events} events`);
  return bytes;
}

/** Compiled before it is timed: who uses Spark for long has a jar. */
async function compileDriver(hdfs: Hdfs): Promise<Pick<Scene, 'sparkClassPath'>> {
  const jars = join(await fetchJars('spark'), 'lib', '*');
  const classes = hdfs.bed.join('spark-classes');
  await mkdir(classes);
  const compiler = javaCommand().replace(/java$/, 'javac');
  await runCommand(compiler, ['-cp', jars, '-d', classes, SPARK_SOURCE], { limitMs: COMPILE_LIMIT_MS });
  return { sparkClassPath: [classes, jars] };
}

async function sparkColumns(): Promise<Pick<Scene, 'columns' | 'eventTime'>> {
  const settings = { topics: { [TOPIC]: { schema: SCHEMA } }, schemas: { dir: '' } };
  const schema = (await findSchema(TOPIC, settings))!;
  const columns = schema.columns.map((column) => `${column.name} ${typeName(column, 'spark')}`);
  return { columns: columns.join(', '), eventTime: schema.eventTime };
}

/** Times one loader with the daemons it loads from and into. `part` is the seconds that it tells itself. */
async function timed(
  { kafka, hdfs, signal }: Scene,
  load: () => Promise<ProgramRun>,
  part: (stdout: string) => number,
): Promise<Run> {
  await settle(signal);
  const told = watch({
    Kafka: kafka.brokers[0]!.pid,
    NameNode: hdfs.nameNode.pid,
    ...Object.fromEntries(hdfs.dataNodes.map(({ name, pid }) => [name, pid])),
  });
  const { seconds, cpuSeconds, peakMiB, stdout } = await load();
  const processes = { loader: { cpuSeconds, peakMiB }, ...told() };
  return { seconds, processes, further: { 'seconds without start': part(stdout) } };
}

async function millraceLoad(scene: Scene, warehouse: string): Promise<Loaded> {
  const { kafka, hdfs, signal } = scene;
  const settings = {
    'loader.workers': THREADS,
    'loader.spoolDir': hdfs.bed.join('tmp'),
    [`topics.${TOPIC}.schema`]: SCHEMA,
  };
  const args = [
    ...[MILLRACE, 'load', '--json', '--strict', '--topic', TOPIC],
    ...['--broker', kafka.bootstrap, '--warehouse', hdfs.webUrl(LOADER, warehouse)],
    ...Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
  ];
  const table = `${hdfs.fsUrl}${warehouse}/${TOPIC}/dt=*/hour=*/*.parquet`;
  const run = await timed(
    scene,
    () => runProgram(process.execPath, args, { signal }),
    (stdout) => (JSON.parse(stdout) as { seconds: number }).seconds,
  );
  return { run, table };
}

async function sparkLoad(scene: Scene, warehouse: string, consumer: string): Promise<Loaded> {
  const { kafka, hdfs, sparkClassPath, columns, eventTime, signal } = scene;
  const tmp = hdfs.bed.join('tmp');
  const table = `${hdfs.fsUrl}${warehouse}/${TOPIC}`;
  const settings = {
    'spark.master': `local[${THREADS}]`,
    'spark.ui.enabled': 'false',
    'spark.log.level': 'WARN',
    'spark.driver.host': LOOPBACK,
    'spark.driver.bindAddress': LOOPBACK,
    'spark.local.dir': tmp,
    'spark.sql.session.timeZone': 'UTC',
    // As our files have it; Spark's own choice is the INT96 of old.
    'spark.sql.parquet.outputTimestampType': 'TIMESTAMP_MICROS',
    'spark.hadoop.fs.defaultFS': hdfs.fsUrl,
    'spark.hadoop.dfs.client.use.datanode.hostname': 'true',
  };
  const args = javaArguments({
    classPath: sparkClassPath,
    main: 'SparkLoad',
    args: [
      ...[
        kafka.bootstrap,
        TOPIC,
        columns,
        eventTime,
        table,
        `${hdfs.fsUrl}${warehouse}/checkpoint`,
        consumer,
      ],
      ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
    ],
    heapMb: SPARK_HEAP_MB,
    jvm: [],
    properties: { 'java.io.tmpdir': tmp },
  });
  const env = { HADOOP_USER_NAME: LOADER, SPARK_LOCAL_IP: LOOPBACK };
  const log = hdfs.bed.join('logs', 'spark-load.log');
  const run = await timed(
    scene,
    () => runProgram(javaCommand(), args, { signal, env, cwd: tmp, log }),
    Number,
  );
  return { run, table };
}

/** What a table must hold, whoever wrote it. */
const CONTENT = `count(*) AS n, count(DISTINCT _partition, _offset) AS records, sum(bytes) AS bytes,
  sum(status) AS status, CAST(sum(CAST(unix_micros(event_time) AS DECIMAL(20))) AS STRING) AS time, sum(length(target)) AS target,
  sum(length(user_agent)) AS agent, count(referrer) AS referrers`;

/** Reads every table that the runs made; throws unless all hold the same. Returns a sentence about them. */
async function compareTables(
  { hdfs, signal }: Scene,
  loaders: readonly Loader[],
  events: number,
): Promise<string> {
  await using spark = await startSpark({ hdfsUrl: hdfs.fsUrl });
  const tables = loaders.flatMap((each) => each.tables);
  const seen = new Set<string>();
  for (const table of tables) {
    signal.throwIfAborted();
    for (const row of await spark.sql(`SELECT ${CONTENT} FROM parquet.\`${table}\``))
      seen.add(JSON.stringify(row));
  }
  const [content = '{}'] = seen;
  const { n, records } = JSON.parse(content) as Record<string, number>;
  if (seen.size !== 1 || n !== events || records !== events)
    throw new Error(`the tables of ${events} events do not hold the same: ${[...seen].join(' and ')}`);
  const sizes = [];
  for (const { name, tables } of loaders) {
    const files = `SELECT DISTINCT _metadata.file_path, _metadata.file_size AS size FROM parquet.\`${tables[0]}\``;
    const [row] = await spark.sql(`SELECT count(*) AS files, sum(size) AS bytes FROM (${files})`);
    sizes.push(`${name}: ${row!['files']} files, ${(Number(row!['bytes']) / 1e6).toFixed(1)} MB`);
  }
  return `all ${tables.length} tables hold the same: ${content}; ${sizes.join('; ')}`;
}
