/**
 * `npm run bench -- produce|fetch|latency|load|recover|topics`, `-- hdfs` on the bed of real servers, `-- peers`: each benchmark prints its figures
 * beside a floor, or a peer, measured in the same run on the same machine; only such ratios carry over to another. The
 * programs that are measured run in processes of their own, which are this file again with `child:NAME`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { tellUsageAtExit } from './measured.ts';

const BENCHES: Record<string, () => Promise<(directory: string) => Promise<void>>> = {
  produce: async () => (await import('./produce.ts')).benchProduce,
  fetch: async () => (await import('./fetch.ts')).benchFetch,
  latency: async () => (await import('./latency.ts')).benchLatency,
  load: async () => (await import('./load.ts')).benchLoad,
  recover: async () => (await import('./recover.ts')).benchRecover,
  topics: async () => (await import('./topics.ts')).benchTopics,
};

/** Need Java and Maven, and are run only when they are named. */
const REAL_BENCHES: typeof BENCHES = {
  hdfs: async () => (await import('./hdfs.ts')).benchHdfs,
};

const ALL_BENCHES = { ...BENCHES, ...REAL_BENCHES };

const CHILDREN: Record<string, (args: string[]) => Promise<void>> = {
  cli: async (args) => {
    process.argv.splice(2, process.argv.length, ...args);
    await import('../cli/main.ts');
  },
  'append-from-socket': async (args) => (await import('./floors.ts')).appendFromSocket(args),
  'send-to-socket': async (args) => (await import('./floors.ts')).sendToSocket(args),
  'send-file': async (args) => (await import('./floors.ts')).sendFile(args),
  receive: async (args) => (await import('./floors.ts')).receive(args),
  'duckdb-copy': async (args) => (await import('./floors.ts')).duckdbCopy(args),
  'parquetjs-copy': async (args) => (await import('./floors.ts')).parquetjsCopy(args),
  echo: async (args) => (await import('./latency.ts')).echo(args),
  'echo-latency': async (args) => (await import('./latency.ts')).echoLatency(args),
  'record-latency': async (args) => (await import('./latency.ts')).recordLatency(args),
  'fetch-all': async (args) => (await import('./fetch.ts')).fetchAll(args),
};

function printVersions(): void {
  const { '@duckdb/node-api': duckdb, 'parquetjs-lite': parquetjs } = {
    ...packageJson.dependencies,
    ...packageJson.devDependencies,
  };
  const machine = `${availableParallelism()} cores, ${cpus()[0]?.model}`;
  process.stdout.write(
    `millrace ${packageJson.version}, Node ${process.version}, DuckDB ${duckdb}, parquetjs-lite ${parquetjs}; ${machine}\n`,
  );
}

async function bench(names: readonly string[]): Promise<void> {
  printVersions();
  for (const name of names) {
    const directory = await mkdtemp(join(tmpdir(), `millrace-bench-${name}-`));
    try {
      await (await ALL_BENCHES[name]!())(directory);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

const [first = '', ...rest] = process.argv.slice(2);
const child = first.startsWith('child:') ? CHILDREN[first.slice('child:'.length)] : undefined;
const names = first === '' ? Object.keys(BENCHES) : [first, ...rest];
const unknown = names.find((name) => !Object.hasOwn(ALL_BENCHES, name));
if (child) {
  tellUsageAtExit();
  await child(rest);
} else if (first === 'peers') {
  printVersions();
  await (await import('./peers/peers.ts')).benchPeers(rest);
} else if (unknown !== undefined) {
  const known = [...Object.keys(ALL_BENCHES), 'peers alone'].join(', ');
  process.stderr.write(`there is no benchmark "${unknown}"; known are ${known}\n`);
  process.exitCode = 2;
} else {
  await bench(names);
}
