/** The flags of `npm run bench -- peers`. */
import { parseArgs } from 'node:util';

const PARTS = ['produce', 'consume', 'load'] as const;

export const PEERS_USAGE = `usage: npm run bench -- peers [--only ${PARTS.join('|')}]… [--events N] [--runs N] [--markdown]
  --only      one part, or several when repeated; all of them unless told
  --events    events of every run
  --runs      timed runs of each side
  --markdown  tables as in docs/benchmarks.md
Events and runs not told are as many as each part has by itself.`;

export interface PeerOptions {
  parts: readonly (typeof PARTS)[number][];
  /** undefined: as many as each part has by itself. */
  events: number | undefined;
  runs: number | undefined;
  markdown: boolean;
  /** Tells a person how far it has come. */
  say: (line: string) => void;
  /** Ends everything that was started. */
  signal: AbortSignal;
}

/** Reads the flags; throws a sentence about what cannot be read. */
export function parsePeerOptions(args: readonly string[], signal: AbortSignal): PeerOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true },
      events: { type: 'string' },
      runs: { type: 'string' },
      markdown: { type: 'boolean', default: false },
    },
  });
  const unknown = values.only?.find((each) => !PARTS.some((part) => part === each));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there are ${PARTS.join(', ')}`);
  return {
    parts: PARTS.filter((part) => values.only?.includes(part) ?? true),
    events: values.events === undefined ? undefined : wholeNumber('--events', values.events),
    runs: values.runs === undefined ? undefined : wholeNumber('--runs', values.runs),
    markdown: values.markdown,
    signal,
    say: (line) => process.stderr.write(`  ${line}\n`),
  };
}

function wholeNumber(flag: string, text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new Error(`${flag} ${text}: write a whole number above 0`);
}
