/**
 * The store's promises kept by real HDFS, real HttpFS, and a pair of NameNodes whose standby is named first.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { settingsSchema } from '../../config/settings.ts';
import { WebHdfsStore } from '../../loader/store/webhdfs-store.ts';
import { storeContract } from '../support/store-contract.ts';
import { type Hdfs, startHdfs } from './bed/hdfs.ts';
import { type HttpFs, startHttpFs } from './bed/httpfs.ts';

const { webhdfs } = settingsSchema.parse({});

describe('over real servers', () => {
  let hdfs: Hdfs;
  let httpFs: HttpFs;
  beforeAll(async () => {
    hdfs = await startHdfs({ site: { 'dfs.ls.limit': 3 } });
    httpFs = await startHttpFs(hdfs);
  });
  afterAll(async () => {
    await hdfs[Symbol.asyncDispose]();
  });
  storeContract('HDFS', () => WebHdfsStore.open(hdfs.url, webhdfs));
  storeContract('HttpFS', () => WebHdfsStore.open(httpFs.url, webhdfs));
});
