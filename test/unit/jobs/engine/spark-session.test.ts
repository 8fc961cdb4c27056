/**
 * The session of Spark as far as it goes without one: what is missing is named, and a stand-in for `spark-submit`, a script,
 * answers, fails and dies. Real Spark is in test/real/aggregate-engines.test.ts.
 */
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { SparkSession } from '../../../../jobs/engine/spark-session.ts';
import { TempDir } from '../../../support/temp-dir.ts';

const dir = new TempDir('spark-session');
afterAll(() => dir[Symbol.dispose]());
let places = 0;

async function script(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

/** Opens a session on a stand-in; `loop` is what its script does once it has said its version. */
async function open(loop: string) {
  const home = dir.join(`home${++places}`);
  const localDirectory = dir.join(`local${places}`);
  await mkdir(localDirectory);
  await script(`${home}/bin/spark-submit`, `echo "$@" > ${home}/arguments\necho noise\n${loop}`);
  for (const tool of ['javac', 'jar']) await script(`${home}/java/bin/${tool}`, 'exit 0');
  const environment = { ...process.env, JAVA_HOME: `${home}/java`, PASSWORD: 'sesame' };
  const options = { home, master: 'local[2]', localDirectory, environment };
  return { home, localDirectory, opening: SparkSession.open(options) };
}

const VERSION = `echo "millrace ok ${base64('9.9')}"`;
/** Says yes to settings, and to all else what went wrong. */
const ANSWERS = `${VERSION}
while read verb words; do
  echo "a line of somebody else"
  case "$words" in
    ${base64('SET ').slice(0, 5)}*) echo "millrace ok" ;;
    *) echo "millrace error ${base64('no such table')}" ;;
  esac
done`;

test('a session knows its version, passes over what others print, and says what Spark refused', async () => {
  const { home, localDirectory, opening } = await open(ANSWERS);
  {
    await using session = await opening;
    expect(session.version).toBe('9.9');
    await expect(session.sql('SELECT secret')).rejects.toThrow(/^no such table$/);
    const said = await readFile(`${home}/arguments`, 'utf8');
    expect(said).toContain('--master local[2] ');
    expect(said).not.toMatch(/secret|sesame|SELECT/);
  }
  expect(await readdir(localDirectory)).toEqual([]);
});

test('a Spark that dies is quoted, and leaves nothing behind', async () => {
  const { localDirectory, opening } = await open('echo "no memory left" >&2; exit 1');
  await expect(opening).rejects.toThrow('Spark ended instead of answering; it said last: no memory left');
  expect(await readdir(localDirectory)).toEqual([]);
});

test.each([
  ['', {}, 'set SPARK_HOME, or aggregates.spark.home'],
  ['nowhere', {}, 'there is no bin/spark-submit in nowhere; set SPARK_HOME'],
])('a home "%s" is refused with the remedy', async (home, environment, reason) => {
  const options = { home, master: '', localDirectory: dir.path, environment };
  await expect(SparkSession.open(options)).rejects.toThrow(reason);
});

test('a missing JDK is named, and nothing stays behind', async () => {
  const home = dir.join('no-jdk');
  await script(`${home}/bin/spark-submit`, 'exit 0');
  const environment = { JAVA_HOME: dir.join('no-java') };
  const options = { home, master: '', localDirectory: dir.join('no-jdk-local'), environment };
  await mkdir(options.localDirectory);
  await expect(SparkSession.open(options)).rejects.toThrow(/javac, which is not there; install a JDK/);
  expect(await readdir(options.localDirectory)).toEqual([]);
});
