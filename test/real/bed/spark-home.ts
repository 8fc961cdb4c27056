/**
 * A directory of Spark as its users have one, as far as `spark-submit` goes, over the bed's jars: `jars` and
 * `bin/spark-submit`, which runs the class that Spark's own script runs, in a Java with the same packages open.
 */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Bed, type BedOptions } from './bed.ts';
import { fetchJars } from './jars.ts';
import { javaArguments, javaCommand } from './java.ts';

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/** Makes it in a new directory, and returns that. */
export async function makeSparkHome(directory: string, heapMb = 1024): Promise<string> {
  await mkdir(join(directory, 'bin'), { recursive: true });
  await symlink(join(await fetchJars('spark'), 'lib'), join(directory, 'jars'));
  const java = javaArguments({
    classPath: [join(directory, 'jars', '*')],
    main: 'org.apache.spark.deploy.SparkSubmit',
    heapMb,
  });
  const script = `#!/bin/sh\nexec ${[javaCommand(), ...java].map(quoted).join(' ')} "$@"\n`;
  await writeFile(join(directory, 'bin', 'spark-submit'), script, { mode: 0o755 });
  return directory;
}

/** A bed of nothing but such a directory: Spark has no daemon, each command starts its own. */
export async function openSparkHome(options: BedOptions = {}): Promise<Bed> {
  const bed = await Bed.open('spark', options);
  try {
    await bed.tell({ SPARK_HOME: await makeSparkHome(bed.join('home')) });
    return bed;
  } catch (error) {
    await bed[Symbol.asyncDispose]();
    throw error;
  }
}
