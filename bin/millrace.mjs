#!/usr/bin/env node
// Plain JavaScript, so that any Node can start it: it hands over to a Node 24, its own or the one that npm installed.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * V8's bookkeeping of memory-protected code pages aborts processes that start and end worker threads ("Check failed:
 * jit_page.has_value()", seen with Node 24.21 on machines with protection keys). Without the keys it has nothing to do.
 */
const FLAGS = ['--no-memory-protection-keys'];

const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

/**
 * Where Node keeps what it made of the sources, so that a command starts in two thirds of the time. Beside the code, because who
 * may write there may change the code anyway; where nobody may, nothing is kept.
 */
const COMPILED = fileURLToPath(new URL('../.cache/compile', import.meta.url));

/** This Node if it is recent enough, else the binary of the optional dependency, or an exit with one line that says what is missing. */
function findNode() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'bin', 'node');
  } catch {
    console.error(
      `error: millrace needs Node 24; this is ${process.version} and the package ${name} is not installed; run "npm install"`,
    );
    process.exit(1);
  }
}

/**
 * Runs main in a child. Signals go over the channel, not by kill, because a terminal sends Ctrl-C to the child as well and
 * it must not count twice (cli/interruption.ts). If this process is killed the channel breaks and the child ends itself.
 */
function runChild() {
  const child = spawn(findNode(), [...FLAGS, main, ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { NODE_COMPILE_CACHE: COMPILED, ...process.env, _MILLRACE_SHIM: '1' },
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.connected && child.send(signal));
  process.on('SIGHUP', () => child.kill('SIGHUP'));
  child.on('error', (error) => {
    console.error(`error: ${error.message}; run "npm install" again`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode =
      code ?? 128 + ({ SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }[signal] ?? 1);
  });
}

runChild();
