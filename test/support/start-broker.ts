/**
 * A broker in the test's own process, on a free port, with settings as small as tests want them.
 */
import pino, { type Logger } from 'pino';
import { Broker } from '../../broker/broker.ts';
import { type Settings, settingsSchema } from '../../config/settings.ts';

type BrokerSettings = Settings['broker'];
/** Settings to override, also below `log`, `groups` and `transactions`. */
export type BrokerOverrides = Partial<Omit<BrokerSettings, 'log' | 'groups' | 'transactions'>> & {
  log?: Partial<BrokerSettings['log']>;
  groups?: Partial<BrokerSettings['groups']>;
  transactions?: Partial<BrokerSettings['transactions']>;
};

/** The broker settings for a data directory: defaults, a free port, and what is overridden. */
export function brokerSettings(dataDir: string, overrides: BrokerOverrides = {}): BrokerSettings {
  const { log, groups, transactions, ...rest } = overrides;
  const { broker } = settingsSchema.parse({});
  return {
    ...broker,
    port: 0,
    dataDir,
    ...rest,
    log: { ...broker.log, ...log },
    groups: { ...broker.groups, ...groups },
    transactions: { ...broker.transactions, ...transactions },
  };
}

/** A logger that keeps its lines for the test to look at. */
export function recordingLogger(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  return { log, lines };
}

/** Starts a broker; stop it with `await using`. */
export function startBroker(
  dataDir: string,
  overrides: BrokerOverrides = {},
  log: Logger = pino({ level: 'silent' }),
): Promise<Broker> {
  return Broker.start(brokerSettings(dataDir, overrides), { log });
}

/** `host:port`, as clients want it. */
export function addressOf({ host, port }: Pick<Broker, 'host' | 'port'>): string {
  return `${host}:${port}`;
}
