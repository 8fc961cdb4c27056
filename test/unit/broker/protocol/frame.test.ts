import fc from 'fast-check';
import { expect, test } from 'vitest';
import { apiVersions } from '../../../../broker/protocol/apis/api-versions.ts';
import { fetch } from '../../../../broker/protocol/apis/fetch.ts';
import { metadata } from '../../../../broker/protocol/apis/metadata.ts';
import {
  correlationIdOf,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  FrameSplitter,
  readRequest,
  readRequestHeader,
} from '../../../../broker/protocol/frame.ts';
import { Reader, WireError } from '../../../../broker/protocol/wire.ts';

function framed(body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([length, body]);
}

test('frames come out whole however the bytes are cut into chunks', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      (bodies, cuts) => {
        const stream = Buffer.concat(bodies.map((body) => framed(Buffer.from(body))));
        const splitter = new FrameSplitter(1000);
        const frames: Buffer[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = cuts[turn % cuts.length] as number;
          frames.push(...splitter.push(Buffer.from(stream.subarray(at, at + size))));
          at += size;
        }
        expect(frames.map((frame) => frame.toString('hex'))).toEqual(
          bodies.map((body) => Buffer.from(body).toString('hex')),
        );
      },
    ),
  );
});

test('a frame of many megabytes is gathered as it arrives', () => {
  const body = Buffer.alloc(11 * 1024 * 1024 + 3);
  for (let at = 0; at < body.length; at += 4096) body[at] = at / 4096;
  const stream = framed(body);
  const splitter = new FrameSplitter(body.length);
  const frames: Buffer[] = [];
  for (let at = 0; at < stream.length; at += 65_536)
    frames.push(...splitter.push(stream.subarray(at, at + 65_536)));
  expect(frames).toHaveLength(1);
  expect(frames[0]?.equals(body)).toBe(true);
});

test('a frame above the limit or below zero is refused as soon as its length is known', () => {
  expect(() => new FrameSplitter(100).push(Buffer.from('00000065', 'hex'))).toThrow(WireError);
  expect(() => new FrameSplitter(100).push(Buffer.from('ffffffff', 'hex'))).toThrow(WireError);
  expect(new FrameSplitter(100).push(framed(Buffer.alloc(100)))).toHaveLength(1);
});

test('a request is read back with its header, before and after flexible versions', () => {
  for (const version of [4, 11, 12]) {
    const body = { maxWaitMs: 5, minBytes: 1, topics: [] };
    const [frame] = new FrameSplitter(1000).push(
      Buffer.concat(encodeRequest(fetch, version, { correlationId: 77, clientId: 'me' }, body)),
    );
    const reader = new Reader(frame as Buffer);
    expect(readRequestHeader(reader)).toEqual({
      apiKey: 1,
      apiVersion: version,
      correlationId: 77,
      clientId: 'me',
    });
    expect(readRequest(fetch, version, reader)).toMatchObject({ ...body, replicaId: -1, sessionEpoch: -1 });
    expect(reader.remaining).toBe(0);
  }
});

test('a client id may be null', () => {
  const [frame] = new FrameSplitter(100).push(
    Buffer.concat(encodeRequest(metadata, 1, { correlationId: 0, clientId: null }, { topics: null })),
  );
  expect(readRequestHeader(new Reader(frame as Buffer)).clientId).toBeNull();
});

test('response headers have tags from the first flexible version on, save that of ApiVersions', () => {
  const bytesOf = (chunks: Buffer[]) => Buffer.concat(chunks);
  const old = bytesOf(encodeResponse(metadata, 8, 5, { brokers: [], topics: [] }));
  const flexible = bytesOf(encodeResponse(metadata, 9, 5, { brokers: [], topics: [] }));
  expect(old.subarray(4, 12).toString('hex')).toBe('0000000500000000');
  expect(flexible.subarray(4, 13).toString('hex')).toBe('000000050000000000');
  const versions = bytesOf(encodeResponse(apiVersions, 3, 5, { errorCode: 35, apiKeys: [] }));
  expect(versions.toString('hex')).toBe('0000000c' + '00000005' + '0023' + '01' + '00000000' + '00');
  for (const [api, version, frame] of [
    [metadata, 8, old],
    [metadata, 9, flexible],
  ] as const) {
    expect(correlationIdOf(frame.subarray(4))).toBe(5);
    expect(decodeResponse(api, version, frame.subarray(4)).topics).toEqual([]);
  }
  expect(decodeResponse(apiVersions, 3, versions.subarray(4)).errorCode).toBe(35);
});
