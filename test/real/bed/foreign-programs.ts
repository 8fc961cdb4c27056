/**
 * The programs of the real suite that are written in Go and Python, as a user of those languages would write them, with
 * their clients at pinned versions: built, or given a virtual environment, once into the cache.
 */
import { createHash } from 'node:crypto';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FOREIGN_DIRECTORY } from './cache.ts';
import { runCommand } from './command.ts';
import { fetchOnce } from './fetched.ts';

const HERE = join(import.meta.dirname, '..');
const MAKE_LIMIT_MS = 15 * 60_000;

/** What to run: a command and its first arguments. */
export type Program = readonly [command: string, ...args: string[]];

/** A name that changes with the contents of files, so that what was made from others is not taken for it. */
async function nameFor(name: string, files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(await readFile(file));
  return join(FOREIGN_DIRECTORY, `${name}-${hash.digest('hex').slice(0, 12)}`);
}

/** The lowest version of Go that go.mod takes. */
const goVersion = async (module: string) =>
  /^go (\S+)$/m.exec(await readFile(join(module, 'go.mod'), 'utf8'))![1]!;

/** The program of franz-go. Throws one line if there is no Go, or an older one than go.mod asks for. */
export async function goProgram(): Promise<Program> {
  const module = join(HERE, 'go');
  const wanted = await goVersion(module);
  const found = await runCommand('go', ['env', 'GOVERSION'], { limitMs: MAKE_LIMIT_MS }).catch(() => '');
  const [major = 0, minor = 0] = (/^go(\d+)\.(\d+)/.exec(found) ?? []).slice(1).map(Number);
  const [leastMajor = 0, leastMinor = 0] = wanted.split('.').map(Number);
  if (major < leastMajor || (major === leastMajor && minor < leastMinor))
    throw new Error(`Go ${wanted} is needed, and ${found.trim() || 'none'} is there: https://go.dev/dl`);
  const files = ['go.mod', 'go.sum', 'main.go'].map((name) => join(module, name));
  const directory = await fetchOnce(
    await nameFor('go', files),
    'building the Go program',
    async (unfinished) => {
      for (const file of files) await cp(file, join(unfinished, file.slice(module.length)));
      await runCommand('go', ['build', '-mod=readonly', '-o', 'program', '.'], {
        cwd: unfinished,
        env: { GOTOOLCHAIN: 'local', GOFLAGS: '' },
        limitMs: MAKE_LIMIT_MS,
      });
    },
  );
  return [join(directory, 'program')];
}

/** A program of test/real/python, with the packages that requirements.txt pins. Throws if there is no Python 3. */
export async function pythonProgram(script: string): Promise<Program> {
  const requirements = join(HERE, 'python', 'requirements.txt');
  const directory = await nameFor('python', [requirements]);
  await fetchOnce(directory, 'making a virtual environment of Python', async (unfinished) => {
    // Scripts of the environment name their Python by its path, which changes yet; so pip is run as a module.
    await runCommand('python3', ['-m', 'venv', '--copies', unfinished], { limitMs: MAKE_LIMIT_MS });
    const install = ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', '-r', requirements];
    await runCommand(join(unfinished, 'bin', 'python'), install, { limitMs: MAKE_LIMIT_MS });
  });
  return [join(directory, 'bin', 'python'), join(HERE, 'python', script)];
}
