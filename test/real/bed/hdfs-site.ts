/**
 * HDFS settings that the beds share: what a cluster would have, but quick to notice the dead and fit for small files.
 */
import type { Site } from './hadoop.ts';

export const HDFS_SITE: Site = {
  'dfs.permissions.enabled': true,
  'dfs.permissions.superusergroup': 'supergroup',
  'dfs.namenode.datanode.registration.ip-hostname-check': false,
  // Tests may ask for small blocks and list long directories in several pages.
  'dfs.namenode.fs-limits.min-block-size': 4096,
  'dfs.ls.limit': 100,
  'dfs.namenode.accesstime.precision': 0,
  // A DataNode is dead after 2 × 2 s + 10 × 1 s of silence, instead of ten and a half minutes.
  'dfs.heartbeat.interval': '1s',
  'dfs.namenode.heartbeat.recheck-interval': 2000,
  'dfs.namenode.safemode.extension': 0,
  'dfs.namenode.safemode.min.datanodes': 1,
  // Abandoned files are closed after half a minute, instead of twenty.
  'dfs.namenode.lease-hard-limit-sec': 30,
  // A DataNode is the HDFS client of what it is sent over HTTP: with two of them there is none to replace a dead one by.
  'dfs.client.block.write.replace-datanode-on-failure.policy': 'NEVER',
};
