/**
 * `npm run real -- up|down|status [KIND…]`: the bed for a person. What it brings up stays until `down`, with all its data
 * under `.cache/real/run`.
 */
import { isOwned, removeBed, type SeenBed, seeBeds } from './bed.ts';
import { startHa } from './ha.ts';
import { CLIENT_URL, startHdfs } from './hdfs.ts';
import { startHttpFs } from './httpfs.ts';
import { startKafka } from './kafka.ts';
import { startSecureHdfs } from './kerberos.ts';
import { sparkSql } from './spark.ts';
import { openSparkHome } from './spark-home.ts';

/** Kinds of beds: what they are, and how they are brought up to outlive this process. */
const KINDS: Record<string, { about: string; up: () => Promise<unknown> }> = {
  hdfs: {
    about: 'HDFS: one NameNode, two DataNodes',
    up: () => startHdfs({ outlives: true }),
  },
  ha: {
    about: 'HDFS: an active and a standby NameNode, one JournalNode, two DataNodes',
    up: () => startHa({ outlives: true }),
  },
  httpfs: {
    about: 'HDFS as above and HttpFS before it',
    up: async () => {
      const hdfs = await startHdfs({ outlives: true, kind: 'httpfs' });
      await startHttpFs(hdfs).catch(async (error: Error) => {
        await hdfs[Symbol.asyncDispose]();
        throw error;
      });
    },
  },
  kerberos: {
    about: 'HDFS in a Kerberos realm of its own: a KDC, one NameNode, one DataNode, HTTP and HTTPS',
    up: () => startSecureHdfs({ outlives: true }),
  },
  kafka: {
    about: 'Apache Kafka: one broker',
    up: () => startKafka({ outlives: true }),
  },
  kafka3: {
    about: 'Apache Kafka: three brokers, each a controller too',
    up: () => startKafka({ outlives: true, brokers: 3 }),
  },
  spark: {
    about: 'a directory of Spark, for SPARK_HOME; it has no daemon',
    up: () => openSparkHome({ outlives: true }),
  },
};

const USAGE = `usage: npm run real -- up|down|status [KIND…]
       npm run real -- sql STATEMENT…
${Object.entries(KINDS)
  .map(([kind, { about }]) => `  ${kind.padEnd(10)}${about}`)
  .join('\n')}
up: hdfs unless told. down and status: all of them unless told; a bed of a test that runs is left alone.
sql: runs statements in Spark, over the hdfs that is up if there is one, and prints the rows of the last as JSON.`;

const say = (line: string) => process.stdout.write(`${line}\n`);

function show(bed: SeenBed): void {
  const whose =
    bed.owner === undefined ? '' : ` of the ${isOwned(bed) ? 'running' : 'ended'} process ${bed.owner}`;
  say(`${bed.kind}${whose}`);
  for (const { name, pid, running } of bed.daemons)
    say(`  ${name}: ${running ? `process ${pid}` : 'does not run'}`);
  for (const [name, value] of Object.entries(bed.facts)) say(`  ${name}: ${value}`);
}

class UsageError extends Error {}

function checkKinds(kinds: readonly string[]): void {
  const unknown = kinds.find((kind) => !KINDS[kind]);
  if (unknown !== undefined) throw new UsageError(`there is no kind of bed called ${unknown}`);
}

const VERBS: Record<string, (words: string[]) => Promise<void>> = {
  async up(kinds) {
    checkKinds(kinds);
    for (const kind of kinds.length > 0 ? kinds : ['hdfs']) {
      await KINDS[kind]!.up();
      for (const bed of await seeBeds()) if (bed.kind === kind && bed.owner === undefined) show(bed);
    }
  },
  async down(kinds) {
    checkKinds(kinds);
    const beds = (await seeBeds()).filter((bed) => kinds.length === 0 || kinds.includes(bed.kind));
    for (const bed of beds) {
      if (isOwned(bed)) continue;
      say(`${bed.kind}: ended ${await removeBed(bed)} processes`);
    }
  },
  async status(kinds) {
    checkKinds(kinds);
    const beds = (await seeBeds()).filter((bed) => kinds.length === 0 || kinds.includes(bed.kind));
    if (beds.length === 0) say('nothing is up');
    for (const bed of beds) show(bed);
  },
  async sql(statements) {
    if (statements.length === 0) throw new UsageError('sql needs a statement');
    const hdfs = (await seeBeds()).find((bed) => bed.kind === 'hdfs' && bed.owner === undefined);
    const url = hdfs?.facts[CLIENT_URL];
    for (const row of await sparkSql(statements, url === undefined ? {} : { hdfsUrl: url }))
      say(JSON.stringify(row));
  },
};

const [verb = '', ...words] = process.argv.slice(2);
try {
  const run = VERBS[verb];
  if (!run) throw new UsageError(verb === '' ? 'what to do?' : `${verb} is nothing the bed does`);
  await run(words);
} catch (error) {
  const { message } = error as Error;
  process.stderr.write(error instanceof UsageError ? `${message}\n${USAGE}\n` : `${message}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
