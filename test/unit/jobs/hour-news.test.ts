import { randomUUID } from 'node:crypto';
import { utimesSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HourComplete } from '../../../jobs/hooks.ts';
import { beginCursor, changedHours } from '../../../jobs/hour-cursor.ts';
import { tellHours } from '../../../jobs/hour-news.ts';
import { publishMarker } from '../../../loader/hour-marker.ts';
import { hourMarkersDirectory, markerStagingDirectory } from '../../../loader/paths.ts';
import { DirectoryStore } from '../../../loader/store/directory-store.ts';
import { TempDir } from '../../support/temp-dir.ts';

const TOPIC = 'web';
let dir: TempDir;
let store: DirectoryStore;
beforeEach(async () => {
  dir = new TempDir('hour-news');
  store = await DirectoryStore.open(dir.join('warehouse'));
});
afterEach(() => dir[Symbol.dispose]());

async function mark(hour: string, version = 1): Promise<void> {
  const at = '2026-11-22T13:07:00.000Z';
  const counts = { rows: 10 * version, bytes: 100, files: 0, late: { inHour: 0, apart: 0 }, rewriteSeq: 0 };
  const body = { topic: TOPIC, hour, version, markedAt: at, firstMarkedAt: at, run: 'r', ...counts };
  const staging = markerStagingDirectory(TOPIC, randomUUID());
  expect(await publishMarker(store, { ...body, nextOffsets: {}, filesSha256: '' }, staging)).toBe(true);
}

/** What is told now; the hook refuses the hours of `refused`. */
async function told(refused: readonly string[] = []): Promise<string[]> {
  const events: HourComplete[] = [];
  await tellHours(store, TOPIC, async (event) => {
    if (refused.includes(event.hour)) throw new Error(`${event.hour} was refused`);
    events.push(event);
  }).catch(() => {});
  return events.map(({ hour, version }) => `${hour} ${version}`);
}

describe('news of complete hours', () => {
  it('are those marked since somebody began to listen, each once, oldest first', async () => {
    await mark('2026-11-22T08');
    await beginCursor(store, TOPIC, 'hooks');
    await beginCursor(store, TOPIC, 'hooks');
    expect(await told()).toEqual([]);
    await mark('2026-11-22T10');
    await mark('2026-11-22T09');
    expect(await told()).toEqual(['2026-11-22T09 1', '2026-11-22T10 1']);
    expect(await told()).toEqual([]);
    await mark('2026-11-22T11');
    expect(await told()).toEqual(['2026-11-22T11 1']);
  });

  it('tell again of an hour whose files changed, however old it is', async () => {
    await beginCursor(store, TOPIC, 'hooks');
    await mark('2016-02-20T05');
    await mark('2026-11-22T10');
    await told();
    await mark('2016-02-20T05', 2);
    expect(await told()).toEqual(['2016-02-20T05 2']);
  });

  it('say what the marker says, and where the hour is', async () => {
    await beginCursor(store, TOPIC, 'hooks');
    await mark('2026-11-22T10');
    const events: HourComplete[] = [];
    await tellHours(store, TOPIC, async (event) => void events.push(event));
    expect(events).toEqual([
      {
        event: 'hour-complete',
        id: 'hour-complete/web/2026-11-22T10/1',
        topic: TOPIC,
        hour: '2026-11-22T10',
        version: 1,
        rows: 10,
        files: 0,
        bytes: 100,
        directory: `${store.url}/web/dt=2026-11-22/hour=10`,
      },
    ]);
  });

  it('that nobody took come again, with those behind them; those before them do not', async () => {
    await beginCursor(store, TOPIC, 'hooks');
    for (const hour of ['08', '09', '10', '11']) await mark(`2026-11-22T${hour}`);
    expect(await told(['2026-11-22T10'])).toEqual(['2026-11-22T08 1', '2026-11-22T09 1']);
    await mark('2026-11-22T12');
    expect(await told(['2026-11-22T10'])).toEqual([]);
    expect(await told()).toEqual(['2026-11-22T10 1', '2026-11-22T11 1', '2026-11-22T12 1']);
    expect(await told()).toEqual([]);
  });

  it('come again when the runner dies before it noted that it told them', async () => {
    await beginCursor(store, TOPIC, 'hooks');
    await mark('2026-11-22T10');
    const { hours } = await changedHours(store, TOPIC, 'hooks');
    expect(hours).toEqual(['2026-11-22T10']);
    expect(await told()).toEqual(['2026-11-22T10 1']);
  });

  it('are not lost when the clock of the store steps back', async () => {
    await beginCursor(store, TOPIC, 'hooks');
    await mark('2026-11-22T10');
    expect(await told()).toHaveLength(1);
    await mark('2026-11-22T11');
    const back = new Date(Date.now() - 5 * 60_000);
    utimesSync(dir.join('warehouse', hourMarkersDirectory(TOPIC, '2026-11-22T11')), back, back);
    expect(await told()).toEqual(['2026-11-22T11 1']);
    expect(await told()).toEqual([]);
  });
});

describe('the hours to aggregate', () => {
  it('are all at first, then those marked since, and all again for another set of queries', async () => {
    await mark('2026-11-22T10');
    const first = await changedHours(store, TOPIC, 'aggregates', 'queries');
    expect(first.hours).toBeUndefined();
    await first.advance();
    await mark('2026-11-22T11');
    expect((await changedHours(store, TOPIC, 'aggregates', 'queries')).hours).toEqual(['2026-11-22T11']);
    expect((await changedHours(store, TOPIC, 'aggregates', 'others')).hours).toBeUndefined();
  });
});
