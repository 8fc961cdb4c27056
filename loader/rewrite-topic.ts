/**
 * One rewrite, from the recovered state to the applied record. What it removes and adds is planned anew each time another
 * process takes the number first: its rewrite may have removed the very files this one is about.
 */
import { applyRewrite } from './apply-rewrite.ts';
import { newAttempt } from './commit-chain.ts';
import { attemptDirectory } from './paths.ts';
import type { RecoveredTopic } from './recover.ts';
import type { Rewrite } from './rewrite.ts';
import { publishRewrite, readRewriteLog, rootRewriteLog } from './rewrite-log.ts';
import type { TopicState } from './table-state.ts';

/** How often one rewrite may be outbid before it gives up. */
const MAX_OUTBID = 5;

/** What a plan decides; the rest of the record follows from the state. */
export type RewritePlan = Pick<Rewrite, 'kind' | 'removes' | 'adds'> &
  Partial<Pick<Rewrite, 'ranges' | 'counts' | 'undoes' | 'trash' | 'expiredBefore'>>;

/** What an attempt may use: its number, for final names, and its staging directory, relative to the topic. */
export interface RewriteAttempt {
  seq: number;
  staging: string;
}

export interface RewriteOptions {
  run: string;
  now: () => number;
}

/**
 * Publishes and applies what `plan` decides of the topic's recovered state, as it is then, whatever was recovered before; returns the record, or undefined if it
 * decided nothing. The plan may be asked several times, each time with a new state and staging directory. Throws if
 * another process is always faster, or if the outcome of a publish can't be learnt: then it may still land.
 */
export async function rewriteTopic(
  table: RecoveredTopic,
  { run, now }: RewriteOptions,
  plan: (state: TopicState, attempt: RewriteAttempt) => Promise<RewritePlan | undefined>,
): Promise<Rewrite | undefined> {
  const { store, topic } = table;
  for (let outbid = 0; outbid < MAX_OUTBID; outbid++) {
    const createdAt = new Date(now()).toISOString();
    const state = await rootedTopic(table, createdAt);
    const { log } = state;
    const attempt = newAttempt();
    const [generation, seq] = [log.generation!, log.seq + 1];
    const directory = attemptDirectory(topic, { kind: 'rewrite', generation, seq }, attempt);
    let mayLand = false;
    try {
      const staging = directory.slice(topic.length + 1);
      const planned = await plan(state, { seq, staging }).catch(async (error: unknown) => {
        // Whoever takes the number sweeps this attempt's staging, under the feet of what fills it.
        if ((await readRewriteLog(store, topic)).seq < seq) throw error;
        return 'outbid' as const;
      });
      if (planned === undefined) return undefined;
      if (planned === 'outbid') continue;
      const record: Rewrite = {
        v: 1,
        topic,
        seq,
        prevSha256: log.headSha256,
        run,
        attempt,
        createdAt,
        ...planned,
      };
      mayLand = true;
      if ((await publishRewrite(store, generation, record)) === 'won') {
        await applyRewrite(store, record, generation, true);
        return record;
      }
      mayLand = false;
    } finally {
      // Until its publish is sent, or once it has lost, an attempt is this process's own to clear away.
      if (!mayLand) await store.remove(directory);
    }
  }
  throw new Error(
    `${topic}: another process rewrote the table ${MAX_OUTBID} times meanwhile; run this again when it is done`,
  );
}

/** A topic's recovered state, with a log. Read again after the log was rooted: by then others may have added rewrites to it. */
async function rootedTopic(table: RecoveredTopic, createdAt: string): Promise<TopicState> {
  const state = await table.recover();
  if (state.log.generation !== undefined) return state;
  await rootRewriteLog(table.store, { topic: table.topic, seq: 0, createdAt }, 0);
  return await table.recover();
}
