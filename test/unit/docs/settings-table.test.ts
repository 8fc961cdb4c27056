import { expect, it } from 'vitest';
import { TOPIC_CONFIGS, type TopicConfig } from '../../../broker/log/topic-configs.ts';
import { acceptedText, type SchemaNode, SETTINGS } from '../../../config/setting-paths.ts';
import { documentPath, markdownTable, readDocument, withTable } from '../../support/doc-table.ts';

const UNITS: Record<'bytes' | 'ms', readonly [number, string][]> = {
  bytes: [
    [2 ** 40, 'TiB'],
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ],
  ms: [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ],
};

/** A number in the largest unit that it is a whole multiple of; undefined if there is none. */
function inUnit(path: string, value: number): string | undefined {
  const units = /bytes$/i.test(path) ? UNITS.bytes : /ms$/i.test(path) ? UNITS.ms : [];
  const unit = units.find(([size]) => value >= size && value % size === 0);
  return unit && `${value / unit[0]} ${unit[1]}`;
}

function defaultText(path: string, value: unknown): string {
  if (value === undefined) return '–';
  if (value === '') return 'empty';
  const unit = typeof value === 'number' ? inUnit(path, value) : undefined;
  return `\`${value}\`${unit ? ` (${unit})` : ''}`;
}

function accepts(path: string, node: SchemaNode): string {
  if (node.anyOf) return node.anyOf.map((each) => accepts(path, each)).join(' or ');
  if (node.minimum === undefined || node.maximum === undefined) {
    if (node.enum || node.format || node.type !== 'string') return acceptedText(node);
    return node.pattern ? `${node.description?.split(' ')[0]}` : 'a text';
  }
  const bound = (value: number) =>
    value === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : (inUnit(path, value) ?? String(value));
  return `${bound(node.minimum)} to ${bound(node.maximum)}`;
}

function served({ values, default: fixed }: TopicConfig): string {
  switch (values.kind) {
    case 'number': {
      const { min, max, off } = values;
      const most = max === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : String(max);
      return `${min} to ${most}${off === undefined ? '' : ` or ${off}`}`;
    }
    case 'ratio':
      return '0 to 1';
    case 'fixed':
      return `only \`${fixed}\``.replace('``', 'nothing');
    default:
      return values.words.map((word) => `\`${word}\``).join(', ');
  }
}

it('docs/operations.md lists every setting, and every one of topics', async () => {
  const rows = SETTINGS.map(({ path, node }) => [
    `\`${path.replace('*', 'NAME')}\``,
    defaultText(path, node.default),
    accepts(path, node),
    node.description ?? '',
  ]);
  const table = markdownTable(['setting', 'default', 'accepts', 'what it does'], rows);
  const topicRows = Object.entries(TOPIC_CONFIGS).map(([name, config]) => [
    `\`${name}\``,
    config.setting === undefined ? '–' : `\`broker.log.${config.setting}\``,
    served(config),
    config.help,
  ]);
  const topicTable = markdownTable(['setting', 'overrides', 'accepts', 'what it does'], topicRows);
  const name = 'docs/operations.md';
  const document = withTable(readDocument(name), 'settings', table);
  await expect(withTable(document, 'topic settings', topicTable)).toMatchFileSnapshot(documentPath(name));
});

it('every setting has a sentence', () => {
  expect(SETTINGS.filter(({ node }) => !node.description).map(({ path }) => path)).toEqual([]);
});
