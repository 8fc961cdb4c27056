import { describe, expect, it } from 'vitest';
import { StoreError } from '../../../../loader/store/store.ts';
import { at, webHdfsBench as bench, firstTimes } from '../../../support/webhdfs-bench.ts';

const OWN = 'staging/0b5a9f0e-5d0c-4b57-9a3e-6d4d5d2f7a11/000-000.staged';
const PAIR = { nameNodes: 2 };

describe('of two NameNodes', () => {
  it('the active one is found and kept', async () => {
    await using b = await bench(PAIR, {}, ({ states }) => states.splice(0, 2, 'standby', 'active'));
    await b.store.create('a', 'x');
    await b.store.read('a');
    expect(b.fake.seen.filter(({ server }) => server === 'nn0')).toHaveLength(1);
    expect(b.slept).toEqual([]);
  });

  it('the other is asked when one is gone', async () => {
    await using b = await bench(PAIR);
    await b.store.create('a', 'x');
    b.fake.states.splice(0, 2, 'standby', 'active');
    await b.fake.kill('nn0');
    expect((await b.store.read('a'))?.toString()).toBe('x');
  });

  it('the other is asked when only the DataNode finds out that one is standby', async () => {
    await using b = await bench(PAIR);
    b.fake.states.splice(0, 2, 'standby', 'active');
    await b.store.create(OWN, 'x');
    expect(b.fake.seen.filter(({ op, server }) => op === 'CREATE' && server.startsWith('dn'))).toHaveLength(
      2,
    );
    expect(b.fake.seen.some(({ query }) => query.has('excludedatanodes'))).toBe(false);
  });

  it('the other is asked while one is starting up', async () => {
    await using b = await bench(PAIR, {}, ({ states }) => states.splice(0, 2, 'starting', 'active'));
    expect(await b.store.list('')).toEqual([]);
  });

  it('both are named when both are standby, after a bounded number of rounds with growing waits', async () => {
    await using b = await bench(PAIR, { retryBackoffMs: 100, retries: 8 });
    b.fake.states.splice(0, 2, 'standby', 'standby');
    const refused = b.store.makeDirectory('a');
    const name = (i: number) => b.fake.address(`nn${i}`).replaceAll('.', '\\.');
    await expect(refused).rejects.toThrow(
      new RegExp(`${name(0)}: StandbyException.*${name(1)}: StandbyException.*no NameNode is active`),
    );
    expect(b.slept).toHaveLength(8);
    for (const [i, ms] of b.slept.entries()) {
      const full = Math.min(100 * 2 ** i, 5_000);
      expect(ms).toBeGreaterThanOrEqual(full / 2);
      expect(ms).toBeLessThanOrEqual(full);
    }
  });

  it('none is asked for ever: a deadline ends it too', async () => {
    await using b = await bench(PAIR, { deadlineMs: 0, retries: 1_000 });
    b.fake.states.splice(0, 2, 'standby', 'standby');
    await expect(b.store.makeDirectory('a')).rejects.toThrow(/2 attempts/);
  });

  it('each is asked once more when they were waited for in vain, and waited for again once one has served', async () => {
    await using b = await bench(PAIR, { retries: 3 });
    const isRefused = async (waits: number) => {
      b.slept.length = 0;
      await expect(b.store.remove('a')).rejects.toThrow(/no NameNode is active/);
      expect(b.slept).toHaveLength(waits);
    };
    b.fake.states.splice(0, 2, 'standby', 'standby');
    await isRefused(3);
    await isRefused(0);
    b.fake.states.splice(0, 2, 'standby', 'active');
    await b.store.remove('a');
    b.fake.states.splice(0, 2, 'standby', 'standby');
    await isRefused(3);
  });
});

describe('a NameNode', () => {
  it('that leaves safe mode in time is waited for, at either leg', async () => {
    for (const act of ['makeDirectory', 'create'] as const) {
      await using b = await bench();
      b.fake.trouble = ({ op, server }) => {
        if (op === 'CREATE' && server.startsWith('nn')) return undefined;
        b.fake.states[0] = b.slept.length < 3 ? 'safeMode' : 'active';
        return undefined;
      };
      await (act === 'create' ? b.store.create(OWN, 'x') : b.store.makeDirectory('a'));
      expect(b.slept.length).toBeGreaterThanOrEqual(3);
    }
  });

  it('that stays in safe mode ends it in a line with host, path and remedy', async () => {
    await using b = await bench({}, {}, ({ namespace }) => namespace.mkdirs('/warehouse'));
    b.fake.states[0] = 'safeMode';
    for (const refused of [() => b.store.create(OWN, 'x'), () => b.store.remove('x')])
      await expect(refused()).rejects.toThrow(
        /webhdfs:\/\/127\.0\.0\.1:\d+\/warehouse\/.*safe mode.*; wait until/s,
      );
  });

  it('that refuses the user ends it at once, naming user and path', async () => {
    await using b = await bench();
    b.fake.namespace.denied = /forbidden/;
    const refused = b.store.create('forbidden/a', 'x');
    await expect(refused).rejects.toThrow(
      /create webhdfs:\/\/127.*\/warehouse\/forbidden\/a: AccessControlException: Permission denied: user=loader[^\n]*; give loader the right to \/warehouse\/forbidden\/a/,
    );
    await expect(refused).rejects.toMatchObject({ retriable: false });
    await expect(b.store.makeDirectory('forbidden')).rejects.toThrow(/give loader the right/);
    expect(b.slept).toEqual([]);
  });

  it('whose quota is used up ends it at once, and it may be run again', async () => {
    await using b = await bench();
    b.fake.namespace.quotaBytes = 1_000;
    const refused = b.store.create(OWN, 'x');
    await expect(refused).rejects.toThrow(/DSQuotaExceededException.*raise the quota/);
    await expect(refused).rejects.toMatchObject({ retriable: true });
  });

  it('without live DataNodes is asked again, then named with what to look at', async () => {
    await using b = await bench({ dataNodes: 1 });
    await b.fake.kill('dn0');
    await expect(b.store.create(OWN, 'x')).rejects.toThrow(
      /ECONNREFUSED|Failed to find datanode.*dfsadmin -report/,
    );
    expect(b.slept.length).toBeGreaterThan(1);
  });

  it('is judged by the name of the exception, not by the status', async () => {
    await using b = await bench();
    const refusal = { do: 'refuse', exception: 'FileNotFoundException', status: 403 } as const;
    b.fake.trouble = firstTimes(1, at(/nn/, 'GETFILESTATUS'), refusal);
    expect(await b.store.stat('a')).toBeUndefined();
    b.fake.trouble = firstTimes(1, at(/nn/, 'GETFILESTATUS'), {
      ...refusal,
      exception: 'IOException',
      status: 404,
    });
    await b.store.create('a', 'x');
    b.fake.trouble = firstTimes(1, at(/nn/, 'GETFILESTATUS'), {
      ...refusal,
      exception: 'IOException',
      status: 404,
    });
    expect(await b.store.stat('a')).toMatchObject({ size: 1 });
  });

  it('that answers HTML is taken for what it is, and not for an empty place', async () => {
    await using b = await bench({}, { retries: 1 });
    for (const status of [200, 302, 404, 502]) {
      b.fake.trouble = () => ({ do: 'answer', status, body: '<html>It works!</html>' });
      for (const asked of [
        () => b.store.stat('a'),
        () => b.store.list('a'),
        () => b.store.read('a'),
        () => b.store.publish('a', 'b'),
      ])
        await expect(asked()).rejects.toThrow(
          new RegExp(`HTTP ${status} without|answered by HTTP ${status}`),
        );
    }
  });

  it('that falls silent is given up after the idle time, and asked again where that does no harm', async () => {
    await using b = await bench();
    b.fake.trouble = firstTimes(1, at(/nn/, 'MKDIRS'), { do: 'hang' });
    await b.store.makeDirectory('a');
    expect(b.fake.count('MKDIRS')).toBe(3); // the first made the warehouse
  });

  it('is asked no more than a bounded number of times when it is not there', async () => {
    await using b = await bench();
    await b.fake.kill('nn0');
    const refused = b.store.stat('a');
    await expect(refused).rejects.toThrow(StoreError);
    await expect(refused).rejects.toThrow(/ECONNREFUSED.*7 attempts.*is it running/);
  });
});
