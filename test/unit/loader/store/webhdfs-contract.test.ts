import { describe } from 'vitest';
import { settingsSchema } from '../../../../config/settings.ts';
import { WebHdfsStore } from '../../../../loader/store/webhdfs-store.ts';
import { type FakeOptions, FakeWebHdfs } from '../../../support/fake-webhdfs.ts';
import { storeContract } from '../../../support/store-contract.ts';

/** The store takes the servers with it when it is closed. */
async function openOver(options: FakeOptions, active = 0): Promise<WebHdfsStore> {
  const fake = await FakeWebHdfs.start(options);
  for (const i of fake.states.keys()) fake.states[i] = i === active ? 'active' : 'standby';
  const store = await WebHdfsStore.open(fake.url(), settingsSchema.parse({}).webhdfs);
  const close = store[Symbol.asyncDispose].bind(store);
  store[Symbol.asyncDispose] = async () => {
    await close();
    await fake[Symbol.asyncDispose]();
  };
  return store;
}

describe('over the fake', () => {
  storeContract('WebHDFS', () => openOver({ dialect: 'webhdfs' }));
  storeContract('WebHDFS of an old server', () =>
    openOver({ dialect: 'webhdfs', ignoresNoRedirect: true, hasBatches: false }),
  );
  storeContract('WebHDFS with its standby named first', () =>
    openOver({ dialect: 'webhdfs', nameNodes: 2 }, 1),
  );
  storeContract('HttpFS', () => openOver({ dialect: 'httpfs', hasFileIds: true }));
  storeContract('HttpFS of an old server', () =>
    openOver({ dialect: 'httpfs', ignoresNoRedirect: true, hasBatches: false }),
  );
});
