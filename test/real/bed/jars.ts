/**
 * The pinned jars of the bed, fetched by Maven from Maven Central into the cache, each set once. A set is a table row;
 * its directory bears the versions and keeps the pom it was fetched with, so another pin fetches anew.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { JARS_DIRECTORY } from './cache.ts';
import { runCommand } from './command.ts';

const DEPENDENCY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1';
const FETCH_LIMIT_MS = 20 * 60_000;

interface JarSet {
  directory: string;
  /** `group:artifact:version`; what they need comes with them. */
  artifacts: readonly string[];
  /** `group:artifact` that does not come with them. */
  without?: readonly string[];
}

export const HADOOP_VERSION = '3.4.2';
export const KAFKA_VERSION = '4.1.2';
// Of 4.1.2 the jar that Kafka's source needs (spark-token-provider-kafka) was not to be found.
export const SPARK_VERSION = '4.1.1';

const JAR_SETS = {
  hadoop: {
    directory: `hadoop-${HADOOP_VERSION}`,
    // hadoop-hdfs takes hadoop-common for provided, so both are named.
    artifacts: [
      `org.apache.hadoop:hadoop-common:${HADOOP_VERSION}`,
      `org.apache.hadoop:hadoop-hdfs-client:${HADOOP_VERSION}`,
      `org.apache.hadoop:hadoop-hdfs:${HADOOP_VERSION}`,
      `org.apache.hadoop:hadoop-hdfs-httpfs:${HADOOP_VERSION}`,
    ],
  },
  kafka: {
    directory: `kafka-${KAFKA_VERSION}`,
    artifacts: [
      `org.apache.kafka:kafka_2.13:${KAFKA_VERSION}`,
      `org.apache.kafka:kafka-tools:${KAFKA_VERSION}`,
      'org.slf4j:slf4j-simple:1.7.36',
    ],
  },
  spark: {
    directory: `spark-${SPARK_VERSION}`,
    artifacts: [
      `org.apache.spark:spark-sql_2.13:${SPARK_VERSION}`,
      `org.apache.spark:spark-hive_2.13:${SPARK_VERSION}`,
      `org.apache.spark:spark-sql-kafka-0-10_2.13:${SPARK_VERSION}`,
    ],
    // Declarative pipelines, which nobody here uses; its 4.1.1 was not to be found.
    without: ['org.apache.spark:spark-pipelines_2.13'],
  },
} as const satisfies Record<string, JarSet>;

export type JarSetName = keyof typeof JAR_SETS;
export const JAR_SET_NAMES = Object.keys(JAR_SETS) as JarSetName[];

function pomOf({ directory, artifacts, without = [] }: JarSet): string {
  const exclusions = without.map((excluded) => {
    const [group, name] = excluded.split(':');
    return `<exclusion><groupId>${group}</groupId><artifactId>${name}</artifactId></exclusion>`;
  });
  const dependencies = artifacts.map((artifact) => {
    const [group, name, version] = artifact.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version><exclusions>${exclusions.join('')}</exclusions></dependency>`;
  });
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>millrace.real</groupId><artifactId>${directory}</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
${dependencies.join('\n')}
</dependencies></project>
`;
}

const runningFetches = new Map<JarSetName, Promise<string>>();

/** The directory of a set: `lib/` with the jars. Fetched if it isn't there yet, which takes minutes. */
export function fetchJars(name: JarSetName): Promise<string> {
  const known = runningFetches.get(name);
  if (known) return known;
  const fetching = fetchSet(JAR_SETS[name]);
  runningFetches.set(name, fetching);
  return fetching;
}

async function fetchSet(set: JarSet): Promise<string> {
  const directory = join(JARS_DIRECTORY, set.directory);
  const pom = pomOf(set);
  const fetched = await readFile(join(directory, 'pom.xml'), 'utf8').catch(() => undefined);
  if (fetched === pom) return directory;
  await rm(directory, { recursive: true, force: true });
  // Whoever ends first gives the directory its name; a run that died leaves only a directory that nobody reads.
  const unfinished = `${directory}.${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  await writeFile(join(unfinished, 'pom.xml'), pom);
  process.stderr.write(`fetching ${set.directory} from Maven Central, once…\n`);
  const args = ['-B', '-q', '-f', join(unfinished, 'pom.xml'), `${DEPENDENCY_PLUGIN}:copy-dependencies`];
  args.push(`-DoutputDirectory=${join(unfinished, 'lib')}`, '-DincludeScope=runtime');
  try {
    await runCommand('mvn', args, { limitMs: FETCH_LIMIT_MS });
    await rename(unfinished, directory);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return directory;
}
