/**
 * The least that any implementation of a stage must do, as programs of their own: bytes from a socket into a file, bytes
 * of a file through a socket, and Parquet written by DuckDB, or by parquetjs-lite, from a file that is there already.
 * Each runs in a process started by `measured.ts`, in the same run as what it is compared with.
 */
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { DuckDBInstance } from '@duckdb/node-api';
import { readInto } from '../broker/server/socket-input.ts';

/** What is read from a file or a socket at once, always into the same memory. */
const STEP_BYTES = 1 << 20;

const WEB_REQUEST_TYPES = `{event_time: 'TIMESTAMPTZ', host: 'VARCHAR', ident: 'VARCHAR', auth_user: 'VARCHAR',
  method: 'VARCHAR', target: 'VARCHAR', path: 'VARCHAR', query: 'VARCHAR', protocol: 'VARCHAR', status: 'INTEGER',
  bytes: 'BIGINT', referrer: 'VARCHAR', user_agent: 'VARCHAR'}`;

/** Takes one connection and appends all it sends to a file; prints its port first. */
export async function appendFromSocket([file]: string[]): Promise<void> {
  const to = openSync(file!, 'w');
  const server = createServer((socket) => {
    readInto(socket, Buffer.allocUnsafeSlow(STEP_BYTES), (bytes) => writeSync(to, bytes));
    socket.on('end', () => socket.end(() => server.close()));
  });
  await announce(server);
}

/** Takes one connection and sends a file through it; prints its port first. */
export async function sendToSocket([file]: string[]): Promise<void> {
  const server = createServer((socket) => {
    server.close();
    void sendAll(file!, socket);
  });
  await announce(server);
}

async function sendAll(file: string, socket: Socket): Promise<void> {
  const from = openSync(file, 'r');
  const buffer = Buffer.allocUnsafeSlow(STEP_BYTES);
  for (;;) {
    const length = readSync(from, buffer);
    if (length === 0) break;
    await new Promise((sent) => socket.write(buffer.subarray(0, length), sent));
  }
  closeSync(from);
  socket.end();
}

async function announce(server: ReturnType<typeof createServer>): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  await once(server, 'close');
}

/** Sends a file to a port and waits until the other side has taken it all. */
export async function sendFile([port, file]: string[]): Promise<void> {
  const socket = connect(Number(port), '127.0.0.1').resume();
  await sendAll(file!, socket);
  if (!socket.closed) await once(socket, 'close');
}

/** Reads all that a port sends; prints how many seconds that took. */
export async function receive([port]: string[]): Promise<void> {
  const begun = performance.now();
  const onread = { buffer: Buffer.allocUnsafeSlow(STEP_BYTES), callback: () => true };
  const socket = connect({ port: Number(port), host: '127.0.0.1', onread });
  await once(socket.resume(), 'close');
  process.stdout.write(`${(performance.now() - begun) / 1_000}\n`);
}

/** DuckDB alone: a file of NDJSON into one Parquet file, one thread. */
export async function duckdbCopy([from, to]: string[]): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  await connection.run(
    `COPY (SELECT * FROM read_json('${from}', format = 'newline_delimited', columns = ${WEB_REQUEST_TYPES}))
     TO '${to}' (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 122880)`,
  );
  connection.closeSync();
  instance.closeSync();
}

/** What is used of parquetjs-lite, which comes without types. */
interface ParquetJs {
  ParquetSchema: new (columns: Record<string, object>) => object;
  ParquetWriter: {
    openFile(
      schema: object,
      path: string,
    ): Promise<{ appendRow(row: Record<string, unknown>): Promise<void>; close(): Promise<void> }>;
  };
}
const PARQUETJS: string = 'parquetjs-lite';

/** parquetjs-lite: the first `count` lines of NDJSON into one Parquet file. */
export async function parquetjsCopy([from, to, count]: string[]): Promise<void> {
  const { default: parquet } = (await import(PARQUETJS)) as { default: ParquetJs };
  const optional = (type: string) => ({ type, optional: true, compression: 'SNAPPY' });
  const text = optional('UTF8');
  const schema = new parquet.ParquetSchema({
    event_time: optional('TIMESTAMP_MICROS'),
    ...Object.fromEntries(
      ['host', 'ident', 'auth_user', 'method', 'target', 'path', 'query', 'protocol'].map((name) => [
        name,
        text,
      ]),
    ),
    status: optional('INT32'),
    bytes: optional('INT64'),
    referrer: text,
    user_agent: text,
  });
  const writer = await parquet.ParquetWriter.openFile(schema, to!);
  const lines = readFileSync(from!, 'utf8').split('\n', Number(count));
  for (const line of lines) {
    const row = JSON.parse(line) as Record<string, unknown>;
    row['event_time'] = Date.parse(String(row['event_time'])) * 1_000;
    await writer.appendRow(row);
  }
  await writer.close();
}
