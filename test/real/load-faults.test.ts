/**
 * The whole loader, as a process, into real HDFS while something goes wrong at a chosen moment: processes killed, safe
 * mode, quotas, rights, a NameNode or all DataNodes away. Each case ends with nothing lost, nothing twice, no partial file
 * seen at any time, and an error line that names host, path and what to do where the load could not do it all; the next
 * load repairs by itself.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { firstThat, type GateRequest, type GateStop } from '../support/hdfs-gate.ts';
import { type HdfsLoad, IMPATIENT, killHard, MOMENTS, PATIENT } from '../support/hdfs-load.ts';
import { webHdfsPut } from './bed/hdfs.ts';
import { waitFor } from './bed/wait.ts';
import { GatedBed } from './gated-bed.ts';

let bed: GatedBed;
beforeAll(async () => {
  bed = await GatedBed.open('load-faults');
});
afterAll(() => bed[Symbol.asyncDispose]());
beforeEach(() => {
  bed.gate.rule = () => undefined;
});

/** Waits until the file that stopped half-way is there: a DataNode asks for its bytes before it has made it. */
const untilMade = (load: HdfsLoad, { path }: GateRequest) =>
  waitFor('the file to be made', 30_000, async () =>
    (await load.eyes.filesBelow('/_loader/staging')).has(path.slice(bed.topicPath().length)),
  );

const asSuperuser = (path: string, query: string) =>
  webHdfsPut(bed.hdfs.nameNode.httpPort, 'hdfs', path, query);

describe('kill -9 of the loader', () => {
  const at = (moment: keyof typeof MOMENTS, stop: GateStop['at']) => ({ moment, stop });
  test.each([
    ['in the middle of an upload', at('uploading', 'body')],
    ['before its commit reaches the NameNode', at('publishing', 'request')],
    ['when its commit is made, but not answered', at('publishing', 'answer')],
    ['between the moves of published files', at('moving', 'answer')],
  ] as const)('%s', async (_, { moment, stop }) => {
    await using load = await bed.newLoad();
    const { promise: killed, resolve } = Promise.withResolvers<void>();
    const act = async () => {
      if (stop === 'body') await untilMade(load, await met);
      await killHard(child);
      resolve();
    };
    const { rule, met } = firstThat(MOMENTS[moment], { at: stop, act, cut: true });
    bed.gate.rule = rule;
    const child = load.start();
    await killed;
    await load.nothingTwice();
    await load.heals();
  });

  test('a commit that lands after its loader died, while another load fails and sweeps, has its files', async () => {
    await using load = await bed.newLoad();
    const [killed, landed] = [Promise.withResolvers<GateRequest>(), Promise.withResolvers<void>()];
    const held = firstThat(MOMENTS.publishing, {
      at: 'request',
      act: async () => {
        await killHard(child);
        killed.resolve(await held.met);
        await landed.promise;
      },
    });
    bed.gate.rule = held.rule;
    const child = load.start();
    const { path, destination } = await killed.promise;
    const land = async () => {
      landed.resolve();
      const record = destination.slice(bed.topicPath().length);
      await waitFor('the commit to land', 30_000, async () =>
        (await load.eyes.filesBelow('/_loader/commits')).has(record),
      );
    };
    bed.gate.rule = (seen) => {
      if (MOMENTS.uploading(seen)) return { at: 'request', cut: true };
      const takesFiles = seen.op === 'DELETE' && path.startsWith(seen.path);
      return takesFiles ? { at: 'request', act: land } : undefined;
    };
    await load.fails(/upload .*\.staged: /, load.run());
    bed.gate.rule = () => undefined;
    await land();
    await load.heals();
  });
});

test('a loader that stands still at its commit, while another takes its place and dies half-way, takes nothing twice', async () => {
  await using load = await bed.newLoad();
  const held = firstThat(MOMENTS.publishing, {
    at: 'request',
    act: async () => {
      const partition = /\/p=(\d+)\//.exec((await held.met).destination)![1];
      await load.send();
      const { promise: killed, resolve } = Promise.withResolvers<void>();
      const isMoved = (seen: GateRequest) =>
        MOMENTS.moving(seen) && seen.destination.includes(`/p${partition}-`);
      const act = () => killHard(child).then(resolve);
      bed.gate.rule = firstThat(isMoved, { at: 'answer', act, cut: true }).rule;
      const child = load.start();
      await killed;
    },
  });
  bed.gate.rule = held.rule;
  expect((await load.run(PATIENT)).status).toBe(0);
  await load.nothingTwice();
  await load.heals();
});

describe('DataNodes', () => {
  test('one killed in the middle of an upload is gone around', async () => {
    await using load = await bed.newLoad();
    const { rule, met } = firstThat(MOMENTS.uploading, {
      at: 'body',
      act: async () => {
        await untilMade(load, await met);
        await (await busy()).kill();
      },
    });
    const busy = async () => bed.hdfs.dataNodes[Number((await met).server.slice('dn'.length)) - 1]!;
    bed.gate.rule = rule;
    await load.succeeds(load.run(PATIENT));
    await (await busy()).start();
    await load.heals();
  });

  test('all killed in the middle of an upload end the load', async () => {
    await using load = await bed.newLoad();
    const act = async () => {
      await untilMade(load, await met);
      await Promise.all(bed.hdfs.dataNodes.map((node) => node.kill()));
    };
    const { rule, met } = firstThat(MOMENTS.uploading, { at: 'body', act });
    bed.gate.rule = rule;
    const ended = await load.run();
    await Promise.all(bed.hdfs.dataNodes.map((node) => node.start()));
    await bed.hdfs.untilLive(2);
    await load.fails(/upload .*(see the log of that DataNode|see "hdfs dfsadmin -report")/, ended);
    await load.heals();
  });
});

describe('kill -9 of the NameNode', () => {
  test.each([
    ['before the commit', { at: 'request', cut: true }],
    ['after the commit, before its answer', { at: 'answer', cut: true }],
  ] as const)('%s, and away for the rest of the load', async (_, stop) => {
    await using load = await bed.newLoad();
    bed.gate.rule = firstThat(MOMENTS.publishing, { ...stop, act: bed.killNameNode }).rule;
    const ended = await load.run();
    await bed.startNameNode();
    await load.fails(/ECONNREFUSED.*; is it running/, ended);
    await load.heals();
  });

  test('after the commit, and back during the load: it finds its commit and goes on', async () => {
    await using load = await bed.newLoad();
    let back: Promise<void> | undefined;
    const act = async () => {
      await bed.killNameNode();
      back = bed.startNameNode();
      back.catch(() => {}); // awaited below, when the load has ended
    };
    bed.gate.rule = firstThat(MOMENTS.publishing, { at: 'answer', act, cut: true }).rule;
    await load.succeeds(load.run(PATIENT));
    await back;
    await load.heals();
  });

  test.each([0, 2])('during the commit, %d ms after it was sent, and back during the load', async (ms) => {
    await using load = await bed.newLoad();
    let back: Promise<void> | undefined;
    const act = async () => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      await bed.killNameNode();
      back = bed.startNameNode();
      back.catch(() => {}); // awaited below, when the load has ended
    };
    bed.gate.rule = firstThat(MOMENTS.publishing, { at: 'sent', act }).rule;
    const ended = await load.run(PATIENT);
    await back;
    if (ended.status === 0) await load.succeeds(ended);
    else await load.fails(/run it again, it finds out what was done/, ended);
    await load.heals();
  });

  test('HDFS away for the whole load', async () => {
    await using load = await bed.newLoad();
    await bed.killNameNode();
    const ended = await load.run();
    await bed.startNameNode();
    await load.fails(/ECONNREFUSED.*; is it running, and is this its HTTP address\?/, ended);
    await load.heals();
  });
});

test('an answer of the NameNode to a commit that is lost is found out at once', async () => {
  await using load = await bed.newLoad();
  bed.gate.rule = firstThat(MOMENTS.publishing, { at: 'answer', cut: true }).rule;
  await load.succeeds(load.run());
  await load.heals();
});

describe('safe mode, entered', () => {
  test.each(['placing', 'publishing'] as const)('at the moment of %s', async (moment) => {
    await using load = await bed.newLoad();
    const act = async () => {
      await bed.hdfs.dfsadmin('-safemode', 'enter');
    };
    bed.gate.rule = firstThat(MOMENTS[moment], { at: 'request', act }).rule;
    const ended = await load.run();
    await bed.hdfs.dfsadmin('-safemode', 'leave');
    await load.fails(/SafeModeException.*; wait until it leaves safe mode/, ended);
    await load.heals();
  });
});

describe('a quota', () => {
  test.each([
    ['of space, used up before an upload', 'placing', 'storagespacequota', /DSQuota.*; raise the quota/],
    ['of names, used up before an upload', 'placing', 'namespacequota', /NSQuota.*; raise the quota/],
    ['of names, used up after a commit', 'makingHour', 'namespacequota', /NSQuota.*; raise the quota/],
  ] as const)('%s', async (_, moment, kind, says) => {
    await using load = await bed.newLoad();
    const act = () => asSuperuser(bed.topicPath(), `op=SETQUOTA&${kind}=1`);
    bed.gate.rule = firstThat(MOMENTS[moment], { at: 'request', act }).rule;
    const ended = await load.run();
    await asSuperuser(bed.topicPath(), `op=SETQUOTA&${kind}=-1`);
    await load.fails(says, ended);
    await load.heals();
  });
});

describe('a right that is missing', () => {
  test('for the whole warehouse', async () => {
    await using load = await bed.newLoad();
    const mallory = load.run(IMPATIENT, bed.warehouse('mallory'));
    await load.fails(/Permission denied: user=mallory.*; give mallory the right to \/warehouse/, mallory);
    await load.heals();
  });

  test('taken away before a commit', async () => {
    await using load = await bed.newLoad();
    let closed = '';
    bed.gate.rule = (seen) => {
      if (closed !== '' || !MOMENTS.publishing(seen)) return undefined;
      closed = seen.destination.replace(/\/[^/]*$/, '');
      return { at: 'request', act: () => asSuperuser(closed, 'op=SETPERMISSION&permission=555') };
    };
    const ended = await load.run();
    await asSuperuser(closed, 'op=SETPERMISSION&permission=755');
    await load.fails(/Permission denied: user=loader.*; give loader the right to \/warehouse\/topic/, ended);
    await load.heals();
  });
});
