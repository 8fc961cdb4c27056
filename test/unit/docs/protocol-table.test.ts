import { expect, it } from 'vitest';
import { advertisedApis } from '../../../broker/handlers/api-versions.ts';
import { HANDLERS } from '../../../broker/handlers/handlers.ts';
import { documentPath, markdownTable, readDocument, withTable } from '../../support/doc-table.ts';

it('docs/protocol.md lists every API with the versions that the broker answers', async () => {
  const advertised = new Set(advertisedApis(HANDLERS).map(({ apiKey }) => apiKey));
  const rows = HANDLERS.toSorted((a, b) => a.api.key - b.api.key).map(({ api }) => [
    String(api.key),
    api.name,
    api.versions.join(' to '),
    String(api.flexible),
    advertised.has(api.key) ? 'yes' : 'no',
  ]);
  const name = 'docs/protocol.md';
  const table = markdownTable(['key', 'API', 'versions', 'flexible from', 'advertised'], rows);
  await expect(withTable(readDocument(name), 'apis', table)).toMatchFileSnapshot(documentPath(name));
});
