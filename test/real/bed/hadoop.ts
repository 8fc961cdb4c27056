/**
 * The Hadoop of a bed: its jars, its configuration directories, and how its classes are run, as daemons or to their end.
 * Without Kerberos Hadoop believes any user name it is told; the daemons and tools of a bed are `hdfs`, its superuser.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bed } from './bed.ts';
import { runCommand } from './command.ts';
import type { DaemonProgram } from './daemon.ts';
import { fetchJars } from './jars.ts';
import { javaArguments, javaCommand } from './java.ts';

export const SUPERUSER = 'hdfs';
/** The user that loads, owner of /warehouse. May impersonate others. */
export const LOADER = 'loader';

const TOOL_LIMIT_MS = 300_000;

export type Site = Record<string, string | number | boolean>;

const LOG4J = `log4j.rootLogger=INFO,out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.target=System.err
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
log4j.logger.BlockStateChange=WARN
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
`;

/** Pages that the web servers of the daemons insist on; what the bed uses is served by code, so they may be empty. */
const WEB_APPS = ['hdfs', 'datanode', 'journal', 'secondary', 'static'];

const escapeXml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** A Hadoop configuration file. */
export function siteXml(site: Site): string {
  const properties = Object.entries(site).map(
    ([name, value]) => `<property><name>${name}</name><value>${escapeXml(String(value))}</value></property>`,
  );
  return `<?xml version="1.0"?>\n<configuration>\n${properties.join('\n')}\n</configuration>\n`;
}

export interface HadoopMain {
  /** The configuration directory, first on the class path. */
  conf: string;
  main: string;
  args?: string[];
  heapMb?: number;
  properties?: Record<string, string>;
}

/** What every class is run with, where it isn't believed who it says it is. */
export interface HadoopSecurity {
  core: Site;
  hdfs: Site;
  /** Java properties. */
  properties: Record<string, string>;
  /** Environment of the superuser's tools. */
  env: Record<string, string>;
  /** Further files of each configuration directory, by name. */
  files: Record<string, string>;
  /** Headers that prove to the NameNode's web server that a request is the superuser's. */
  headers: () => Promise<Record<string, string>>;
}

export class Hadoop {
  readonly bed: Bed;
  readonly security: HadoopSecurity | undefined;
  readonly #lib: string;

  private constructor(bed: Bed, lib: string, security: HadoopSecurity | undefined) {
    this.bed = bed;
    this.#lib = lib;
    this.security = security;
  }

  static async open(bed: Bed, security?: HadoopSecurity): Promise<Hadoop> {
    const lib = join(await fetchJars('hadoop'), 'lib', '*');
    for (const app of WEB_APPS) await mkdir(bed.join('web', 'webapps', app), { recursive: true });
    return new Hadoop(bed, lib, security);
  }

  /** Writes a configuration directory and returns its path. Settings that all beds share are added. */
  async writeConf(name: string, core: Site, hdfs: Site): Promise<string> {
    const directory = this.bed.join('conf', name);
    await mkdir(directory, { recursive: true });
    const shared: Site = {
      'hadoop.tmp.dir': this.bed.join('tmp'),
      [`hadoop.proxyuser.${LOADER}.hosts`]: '*',
      [`hadoop.proxyuser.${LOADER}.groups`]: '*',
      [`hadoop.proxyuser.${SUPERUSER}.hosts`]: '*',
      [`hadoop.proxyuser.${SUPERUSER}.groups`]: '*',
      // No user of the bed needs to be one of the machine.
      'hadoop.user.group.static.mapping.overrides': `${SUPERUSER}=supergroup;${LOADER}=${LOADER};alice=alice;dr.who=`,
      'ipc.client.connect.max.retries': 3,
    };
    await writeFile(
      join(directory, 'core-site.xml'),
      siteXml({ ...shared, ...this.security?.core, ...core }),
    );
    await writeFile(join(directory, 'hdfs-site.xml'), siteXml({ ...this.security?.hdfs, ...hdfs }));
    for (const [file, text] of Object.entries(this.security?.files ?? {}))
      await writeFile(join(directory, file), text);
    await writeFile(join(directory, 'log4j.properties'), LOG4J);
    return directory;
  }

  #arguments({ conf, main, args = [], heapMb = 256, properties = {} }: HadoopMain): string[] {
    return javaArguments({
      classPath: [conf, this.bed.join('web'), this.#lib],
      main,
      args,
      heapMb,
      jvm: this.bed.jvm,
      properties: {
        'millrace.bed': `${this.bed.path}/`,
        'hadoop.home.dir': this.bed.path,
        'hadoop.log.dir': this.bed.join('logs'),
        ...this.security?.properties,
        ...properties,
      },
    });
  }

  /** A class to run as a daemon. */
  program(main: HadoopMain, isReady: DaemonProgram['isReady']): DaemonProgram {
    return {
      command: javaCommand(),
      args: this.#arguments(main),
      env: { HADOOP_USER_NAME: SUPERUSER },
      cwd: this.bed.join('tmp'),
      isReady,
    };
  }

  /** Runs a class to its end, as the superuser unless told, and returns what it printed. */
  run(main: HadoopMain, user = SUPERUSER): Promise<string> {
    return runCommand(javaCommand(), this.#arguments(main), {
      env: { HADOOP_USER_NAME: user, ...this.security?.env },
      cwd: this.bed.join('tmp'),
      limitMs: TOOL_LIMIT_MS,
    });
  }
}

/** One bean of a daemon's `/jmx` page. */
export async function readBean(
  httpPort: number,
  name: string,
  security?: HadoopSecurity,
): Promise<Record<string, unknown>> {
  const response = await fetch(`http://127.0.0.1:${httpPort}/jmx?qry=${encodeURIComponent(name)}`, {
    headers: (await security?.headers()) ?? {},
    signal: AbortSignal.timeout(5000),
  });
  const { beans } = (await response.json()) as { beans: Record<string, unknown>[] };
  if (!beans[0]) throw new Error(`port ${httpPort} shows no bean ${name}`);
  return beans[0];
}
