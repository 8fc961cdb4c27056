/**
 * How the bed runs Java: the command, small heaps, and the packages that Hadoop and Spark reach into on Java 17. A
 * property with the bed's directory marks every process, so that a process id read from a file can be told from a
 * stranger's that got the same number.
 */
import { delimiter, join } from 'node:path';

/** The packages of java.base that Hadoop's and Spark's own scripts open. */
const OPENED = [
  'java.io',
  'java.lang',
  'java.lang.invoke',
  'java.lang.reflect',
  'java.math',
  'java.net',
  'java.nio',
  'java.text',
  'java.util',
  'java.util.concurrent',
  'java.util.concurrent.atomic',
  'java.util.zip',
  'sun.nio.ch',
  'sun.nio.cs',
  'sun.security.action',
  'sun.security.util',
  'sun.security.x509',
  'sun.util.calendar',
];

/** The bed's daemons are many and live briefly: less compiling and fewer threads start sooner on few cores. */
const BRIEF = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

export interface JavaRun {
  classPath: string[];
  /** A class, or a `.java` file for the source launcher. */
  main: string;
  args?: string[];
  heapMb?: number;
  properties?: Record<string, string>;
  /** JVM options in place of those that make it start soon; may name another heap. */
  jvm?: readonly string[] | undefined;
}

/** The `java` of JAVA_HOME, else of the PATH. */
export function javaCommand(): string {
  const home = process.env['JAVA_HOME'];
  return home ? join(home, 'bin', 'java') : 'java';
}

/** The arguments for a run of Java. */
export function javaArguments({
  classPath,
  main,
  args = [],
  heapMb = 256,
  properties = {},
  jvm = BRIEF,
}: JavaRun): string[] {
  return [
    `-Xmx${heapMb}m`,
    ...jvm,
    '-XX:-UsePerfData',
    '-XX:+IgnoreUnrecognizedVMOptions',
    ...OPENED.map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
    '-Djava.net.preferIPv4Stack=true',
    ...Object.entries(properties).map(([key, value]) => `-D${key}=${value}`),
    '-cp',
    classPath.join(delimiter),
    main,
    ...args,
  ];
}
