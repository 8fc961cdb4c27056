/**
 * A store over a made-up HDFS whose waits take no time, and the words to say what goes wrong in it.
 */
import { type Settings, settingsSchema } from '../../config/settings.ts';
import { WebHdfsStore } from '../../loader/store/webhdfs-store.ts';
import { type FakeOptions, FakeWebHdfs, type Seen, type Trouble } from './fake-webhdfs.ts';

/** `slept`: the waits that were asked for, in milliseconds. */
export interface WebHdfsBench extends AsyncDisposable {
  fake: FakeWebHdfs;
  store: WebHdfsStore;
  slept: number[];
}

/** Starts servers and opens a store over them. `prepare` is told of the servers before the store asks them anything. */
export async function webHdfsBench(
  options: Partial<FakeOptions> = {},
  settings: Partial<Settings['webhdfs']> = {},
  prepare: (fake: FakeWebHdfs) => void = () => {},
  user?: string,
): Promise<WebHdfsBench> {
  const fake = await FakeWebHdfs.start({ dialect: 'webhdfs', ...options });
  prepare(fake);
  const slept: number[] = [];
  const sleep = async (ms: number) => {
    slept.push(ms);
  };
  const { webhdfs } = settingsSchema.parse({ webhdfs: { idleTimeoutMs: 400, retries: 6, ...settings } });
  try {
    const store = await WebHdfsStore.open(fake.url('/warehouse', user), webhdfs, { sleep });
    const dispose = async () => {
      await store[Symbol.asyncDispose]();
      await fake[Symbol.asyncDispose]();
    };
    return { fake, store, slept, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await fake[Symbol.asyncDispose]();
    throw error;
  }
}

/** A trouble for the first so many requests that fit. */
export function firstTimes(times: number, fits: (seen: Seen) => boolean, trouble: Trouble) {
  let left = times;
  return (seen: Seen) => (fits(seen) && left-- > 0 ? trouble : undefined);
}

/** Fits the requests for an operation at some of the servers. */
export const at = (server: RegExp, op: string) => (seen: Seen) => server.test(seen.server) && seen.op === op;
