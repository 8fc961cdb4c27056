/**
 * `millrace token`: delegation tokens of a secure HDFS, for loads that run where no Kerberos ticket is. Run where one is;
 * the file is `--file`, else the setting `webhdfs.delegationTokenFile`. The token itself is never printed.
 */
import type { Command } from 'commander';
import type { DelegationTokens } from '../loader/store/delegation-tokens.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { UsageError } from './usage-error.ts';

interface TokenOptions {
  file?: string;
  renewer?: string;
}

function fileOf({ settings }: CommandContext, { file = settings.webhdfs.delegationTokenFile }: TokenOptions) {
  if (file === '')
    throw new UsageError('no file is named for the token; give --file, or set webhdfs.delegationTokenFile');
  return file;
}

async function openTokens({ settings }: CommandContext): Promise<DelegationTokens> {
  const { DelegationTokens } = await import('../loader/store/delegation-tokens.ts');
  return DelegationTokens.open(settings.loader.warehouse, settings.webhdfs);
}

/** `validUntil`: null where another may renew it, for only a renewal tells. */
function tell({ out }: CommandContext, done: string, file: string, untilMs: number | undefined): void {
  const validUntil = untilMs === undefined ? null : new Date(untilMs).toISOString();
  out.object({ done, file, validUntil });
  out.line(`${done}: the token in ${file}${validUntil === null ? '' : `, valid until ${validUntil}`}`);
}

async function get(context: CommandContext, options: TokenOptions): Promise<void> {
  const { writeTokenFile } = await import('../loader/store/delegation-tokens.ts');
  const file = fileOf(context, options);
  using tokens = await openTokens(context);
  const token = await tokens.get(options.renewer);
  const untilMs = options.renewer === undefined ? await tokens.renew(token) : undefined;
  await writeTokenFile(file, token);
  tell(context, 'written', file, untilMs);
}

async function renew(context: CommandContext, options: TokenOptions): Promise<void> {
  const { readTokenFile } = await import('../loader/store/delegation-tokens.ts');
  const file = fileOf(context, options);
  const token = await readTokenFile(file);
  using tokens = await openTokens(context);
  tell(context, 'renewed', file, await tokens.renew(token));
}

async function cancel(context: CommandContext, options: TokenOptions): Promise<void> {
  const { readTokenFile } = await import('../loader/store/delegation-tokens.ts');
  const file = fileOf(context, options);
  const token = await readTokenFile(file);
  using tokens = await openTokens(context);
  await tokens.cancel(token);
  tell(context, 'cancelled', file, undefined);
}

export function define(command: Command, act: Act): void {
  const child = (name: string, description: string) =>
    command
      .command(name)
      .description(description)
      .option('--file <path>', 'file of the token (default: setting webhdfs.delegationTokenFile)');
  const getCommand = child('get', 'A new token into a file, by the Kerberos ticket of who runs this.')
    .option('--renewer <name>', 'who may renew it, by short name (default: its owner)')
    .action(act<TokenOptions>(get));
  addExamples(getCommand, [
    ['token get --warehouse webhdfs://nn1:9870/warehouse --file token', 'before the first load, and daily'],
    ['load --topic access --set webhdfs.delegationTokenFile=token', 'where no ticket is'],
  ]);
  const renewCommand = child('renew', 'Lengthens the life of the token in a file.');
  addExamples(renewCommand.action(act<TokenOptions>(renew)), [
    ['token renew --warehouse webhdfs://nn1:9870/warehouse --file token', 'by ticket, as its renewer'],
  ]);
  const cancelCommand = child('cancel', 'Makes the token in a file worthless.');
  addExamples(cancelCommand.action(act<TokenOptions>(cancel)), [
    ['token cancel --warehouse webhdfs://nn1:9870/warehouse --file token', 'at once'],
  ]);
  addExamples(command, [
    ['token get --warehouse webhdfs://nn1:9870/warehouse --file token', 'a new one, by ticket'],
  ]);
}
