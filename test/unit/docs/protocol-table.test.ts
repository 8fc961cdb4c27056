import { expect, it } from 'vitest';
import { advertisedApis } from '../../../broker/handlers/api-versions.ts';
import { HANDLERS } from '../../../broker/handlers/handlers.ts';
import { ADAPTED, MEANT, MISSING, PASSING } from '../../real/librdkafka/suite.ts';
import { API_USERS } from '../../support/api-users.ts';
import { documentPath, markdownTable, readDocument, withTable } from '../../support/doc-table.ts';

/** The clients of the tests that ask for an API. */
function usersOf(api: string): string {
  const users: [name: string, versions: Record<string, number[]>][] = Object.entries(API_USERS);
  return users
    .flatMap(([name, { [api]: versions }]) => (versions ? `${name} ${versions.join(', ')}` : []))
    .join(' · ');
}

it('docs/protocol.md lists every API with the versions that the broker answers', async () => {
  const advertised = new Set(advertisedApis(HANDLERS).map(({ apiKey }) => apiKey));
  const rows = HANDLERS.toSorted((a, b) => a.api.key - b.api.key).map(({ api }) => [
    String(api.key),
    api.name,
    api.versions.join(' to '),
    String(api.flexible),
    advertised.has(api.key) ? 'yes' : 'no',
    usersOf(api.name),
  ]);
  const name = 'docs/protocol.md';
  const table = markdownTable(
    ['key', 'API', 'versions', 'flexible from', 'advertised', 'asked for by, in versions'],
    rows,
  );
  await expect(withTable(readDocument(name), 'apis', table)).toMatchFileSnapshot(documentPath(name));
});

it("docs/protocol.md tells which of librdkafka's own tests do not pass and why, and which are run otherwise", async () => {
  const name = 'docs/protocol.md';
  const reasons = Map.groupBy(Object.keys(MISSING), (test) => MISSING[test]!);
  const rows = [...reasons].map(([why, tests]) => [tests.map((test) => `\`${test}\``).join(', '), why]);
  const pass = `${PASSING.size} of ${MEANT.length} in scope pass; the others:`;
  const adapted = Object.entries(ADAPTED).map(([test, how]) => [`\`${test}\``, how]);
  const table = [
    pass,
    markdownTable(['tests', 'why not'], rows),
    'Of those that pass these are not quite as upstream runs them:',
    markdownTable(['test', 'what is otherwise'], adapted),
  ].join('\n\n');
  await expect(withTable(readDocument(name), 'librdkafka', table)).toMatchFileSnapshot(documentPath(name));
});
