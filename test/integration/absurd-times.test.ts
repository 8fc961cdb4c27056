/**
 * One batch with events of thousands of hours, as a broken clock or an old log brings them: the load may take its time, but
 * neither open files nor memory beyond the names of the files may grow with the hours.
 */
import { expect, test } from 'vitest';
import { FIRST_DAY } from '../support/events.ts';
import { queryTable } from '../support/foreign-eyes.ts';
import { createTopic, sendRecords } from '../support/load-topic.ts';
import { peakOf } from '../support/peak-memory.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

/** Ten thousand by ABSURD_HOURS, which takes minutes: `npm run test:long`. */
const EVENTS = Number(process.env['ABSURD_HOURS'] ?? 1_000);
const HOUR_MS = 3_600_000;
/** A load of one hour has some 60 open. */
const OPEN_FILES = 128;
/**
 * Buffers of the spool, and what the garbage collector has not looked at yet; and what is known of each file until its
 * commit: 1,000, 5,000 and 10,000 hours took 73, 142 and 234 MiB more than one. An open file, or a row group, would be a
 * hundred times that.
 */
const [MORE_MIB, MORE_KIB_PER_HOUR] = [100, 30];

test('thousands of hours in one batch keep memory and open files bounded', { timeout: 900_000 }, async () => {
  using dir = new TempDir('absurd-times');
  await using broker = await startBroker(dir.join('data'));
  const load = async (hours: number) => {
    const topic = `of-${hours}-hours`;
    await createTopic(addressOf(broker), topic, 1);
    await sendRecords(addressOf(broker), topic, eventsOf(hours));
    const argv = ['load', '--topic', topic, '--broker', addressOf(broker), '--json'];
    const set = [`topics.${topic}.schema=web_request`, 'loader.emptyHoursPerRun=0', 'loader.workers=1'];
    const more = ['--warehouse', `file:${dir.join(topic)}`, ...set.flatMap((each) => ['--set', each])];
    const limited = ['sh', '-c', `ulimit -n ${OPEN_FILES}; exec "$0" "$@"`];
    const { stdout, peakMib } = await peakOf([...argv, ...more], limited);
    expect(JSON.parse(stdout)).toMatchObject({ rows: EVENTS, files: hours });
    const seen = `SELECT count(*)::INT AS n, count(DISTINCT (dt, hour))::INT AS hours FROM TABLE`;
    expect(await queryTable(dir.join(topic), topic, seen)).toEqual([{ n: EVENTS, hours }]);
    return peakMib;
  };
  const few = await load(1);
  expect(await load(EVENTS)).toBeLessThan(few + MORE_MIB + (EVENTS * MORE_KIB_PER_HOUR) / 1024);
});

function* eventsOf(hours: number): Generator<{ value: string; partition: number }> {
  for (let n = 0; n < EVENTS; n++) {
    const time = new Date(Date.parse(FIRST_DAY) - (n % hours) * HOUR_MS).toISOString();
    yield { value: JSON.stringify({ event_time: time, host: 'h', status: 200 }), partition: 0 };
  }
}
