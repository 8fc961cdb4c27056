/** The branch `webhdfs` of the settings: a warehouse in HDFS. */
import { z } from 'zod';
import { GiB, HOUR, MiB, ms, SECOND } from './setting-kinds.ts';

const userName = z.string().default('');

export const webhdfs = z.strictObject({
  user: userName.describe('user.name of every call, unless the URL names one; needed with auth=simple'),
  doAs: userName.describe('user to act for; the NameNode must allow it (hadoop.proxyuser.*)'),
  auth: z
    .enum(['simple', 'kerberos'])
    .default('simple')
    .describe('kerberos: SPNEGO with the ticket of kinit, by the optional package kerberos'),
  delegationTokenFile: z
    .string()
    .default('')
    .describe(
      'file with the urlString of a delegation token, sent in place of the user; read again when it changes',
    ),
  basicAuthFile: z.string().default('').describe('file with USER:PASSWORD for a gateway such as Knox'),
  caFile: z
    .string()
    .default('')
    .describe('PEM certificates to trust for swebhdfs:; empty: those of the system'),
  apiPath: z
    .string()
    .default('/webhdfs/v1')
    .describe('path of the REST API; behind Knox /gateway/NAME/webhdfs/v1'),
  replication: z.int().min(0).max(512).default(0).describe('replicas of each file; 0: as HDFS is set'),
  minBlockBytes: z
    .int()
    .min(512)
    .max(GiB)
    .multipleOf(512)
    .default(MiB)
    .describe('smallest block size asked for: dfs.namenode.fs-limits.min-block-size of the NameNode'),
  maxBlockBytes: z
    .int()
    .min(MiB)
    .max(64 * GiB)
    .multipleOf(512)
    .default(8 * GiB)
    .describe('largest block size asked for; smaller files get one block of their own size'),
  connectTimeoutMs: ms(100, 10 * 60 * SECOND)
    .default(10 * SECOND)
    .describe('a connection not made in this time fails'),
  idleTimeoutMs: ms(100, HOUR)
    .default(60 * SECOND)
    .describe('a request without a byte in either direction for this long fails'),
  deadlineMs: ms(0, HOUR)
    .default(2 * 60 * SECOND)
    .describe('no further attempt is begun this long after the first failed'),
  retries: z.int().min(0).max(1_000).default(30).describe('rounds over the NameNodes after the first'),
  retryBackoffMs: ms(1, 60 * SECOND)
    .default(200)
    .describe('first wait between rounds; doubles, with jitter, up to 5 s'),
});
