/**
 * What of librdkafka's own test suite is meant to pass against this broker, what does, and why the rest does not. In scope is
 * every test that talks to a broker, but those of TLS and SASL, of share groups, of what upstream knows to be broken, and the
 * manual ones. The list of those that pass only grows: the runner fails if one of them no longer does.
 */

/** How the tests of one number are run. */
export interface How {
  number: string;
  /** Of the broker, as the suite names it: `noautocreate` is one that makes no topics by itself. */
  scenario: 'default' | 'noautocreate';
  /** Fewer rounds, and some parts not at all. */
  isQuick: boolean;
  /** Only those of its parts in whose names this stands. */
  part: string | undefined;
  /** Looks at the clock, and at nothing else: the suite would leave it out where durations fail no test. */
  isTimed: boolean;
  /** Starts Kafka's shell scripts, or Java. */
  hasScripts: boolean;
  /** The version of Kafka that the suite is told, if not the usual one. */
  version: string | undefined;
}

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Tests of which librdkafka's quick mode leaves out parts that matter, by number: these run in full. */
const FULL: ReadonlySet<string> = new Set(
  words('0018 0019 0026 0030 0045 0050 0061 0077 0082 0089 0094 0098 0102 0110 0113 0122 0132'),
);

/** Tests that need a broker that makes no topics by itself. */
const NO_AUTO_CREATE: ReadonlySet<string> = new Set(
  words(`0045_subscribe_update_topic_remove 0045_subscribe_update_non_exist_and_partchange 0107_topic_recreate
    0111_delay_create_topics`),
);

/** The one test of durations, by number. */
const LATENCY = '0055';

/** Tests that make or change topics with Kafka's scripts, or start programs in Java, by number. */
const SCRIPTED: ReadonlySet<string> = new Set(words('0045 0052 0077 0098'));

/**
 * A test that takes ten minutes is run in parts side by side: words of which at least one stands in the name of each part.
 * Its part `o_java_interop` leaves itself out always: it takes the default of `sasl.mechanism` for a cluster with SASL.
 */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  '0113': [
    ...[0, 1, 2].flatMap((variation) =>
      [0, 1].map((callback) => `use_rebalance_cb: ${callback}, subscription_variation: ${variation}`),
    ),
    't_max_poll_interval_exceeded',
    's_subscribe_when_rebalancing',
    'v_commit_during_rebalance',
    ...words(`b_subscribe_with_cb n_wildcard c_subscribe_no_cb d_change_subscription e_change_subscription
      l_unsubscribe a_assign f_assign_call g_incremental_assign h_delete_topic i_delete_topic j_delete_topic k_add_partition
      m_unsubscribe x_incremental_rebalances`),
  ],
};

const ONE_REPLICA = 'its topics have one replica, not three';

/** What the suite takes the broker for, where that is not what it says of itself. */
const VERSIONS: Readonly<Record<string, string>> = {
  // Which took away message formats 0 and 1, and with them what this broker has never had.
  '0052': '4.0.0',
  // Which had no ACLs yet for the suite.
  '0109': '2.0.0',
};

/** What is done otherwise than upstream does it, so that a test can be run at all. */
export const ADAPTED: Readonly<Record<string, string>> = {
  '0052_msg_timestamps': 'as for Kafka 4.0, without message formats 0 and 1',
  '0077_compaction': 'its topics have `file.delete.delay.ms=0`, the one value that is served',
  '0098_consumer_txn': ONE_REPLICA,
  '0103_transactions': ONE_REPLICA,
  '0107_topic_recreate': ONE_REPLICA,
  '0109_auto_create_topics': 'without the part that denies itself a topic by ACLs',
  '0111_delay_create_topics': ONE_REPLICA,
  '0113_cooperative_rebalance':
    'its parts side by side; that with a Java consumer leaves itself out, also upstream',
};

/** Those that take longest, by number: they begin first. */
const LONGEST = words(
  '0077 0098 0113 0089 0026 0033 0091 0103 0045 0094 0076 0102 0030 0018 0122 0107 0050 0093 0052',
);

const PASS = `
0001_multiobj 0002_unkpart 0003_msgmaxsize 0005_order 0007_autotopic 0008_reqacks 0011_produce_batch 0012_produce_consume
0013_null_msgs 0014_reconsume_191 0015_offsets_seek 0016_client_swname 0017_compression 0018_cgrp_term 0019_list_groups
0020_destroy_hang 0021_rkt_destroy 0022_consume_batch 0026_consume_pause 0029_assign_offset 0030_offset_commit
0031_get_offsets 0033_regex_subscribe 0034_offset_reset 0035_api_version 0036_partial_fetch 0038_performance
0039_event_dr 0040_io_event 0041_fetch_max_bytes 0042_many_topics 0044_partition_cnt 0045_subscribe_update
0045_subscribe_update_topic_remove 0045_subscribe_update_non_exist_and_partchange 0045_resubscribe_with_regex
0045_subscribe_many_updates 0048_partitioner 0049_consume_conn_close 0050_subscribe_adds 0051_assign_adds
0052_msg_timestamps 0053_stats 0054_offset_time 0055_producer_latency 0056_balanced_group_mt 0057_invalid_topic 0059_bsearch
0060_op_prio 0061_consumer_lag 0063_clusterid 0064_interceptors 0065_yield 0067_empty_topic 0068_produce_timeout
0069_consumer_add_parts 0070_null_empty 0073_headers 0075_retry 0076_produce_retry 0077_compaction 0082_fetch_max_bytes
0083_cb_event 0084_destroy_flags 0085_headers 0086_purge_remote 0088_produce_metadata_timeout 0089_max_poll_interval
0090_idempotence 0091_max_poll_interval_timeout 0093_holb_consumer 0094_idempotence_msg_timeout 0098_consumer_txn
0099_commit_metadata 0102_static_group_rebalance 0103_transactions 0107_topic_recreate 0109_auto_create_topics
0110_batch_size 0111_delay_create_topics 0112_assign_unknown_part 0113_cooperative_rebalance 0114_sticky_partitioning
0118_commit_rebalance 0122_buffer_cleaning_after_rebalance 0123_connections_max_idle 0125_immediate_flush
0127_fetch_queue_backoff 0129_fetch_aborted_msgs 0130_store_offsets 0132_strategy_ordering 0137_barrier_batch_consume
0140_commit_metadata`;

export const PASSING: ReadonlySet<string> = new Set(words(PASS));

const ACLS = 'denies itself topics by ACLs, which this broker does not have';

/** Why a test in scope is not in the list. */
export const MISSING: Readonly<Record<string, string>> = {
  '0081_admin': 'makes topics with `compression.type=lz4`; only `producer` is served',
  '0092_mixed_msgver': 'alters `message.format.version` to a format of before 0.11',
  '0101_fetch_from_follower': 'needs three brokers in racks',
  '0115_producer_auth': ACLS,
  '0119_consumer_auth': ACLS,
};

/** All that is in scope, in order. */
export const MEANT: readonly string[] = [...PASSING, ...Object.keys(MISSING)].sort();

/** The number of a test, which is the first part of its name. */
export const numberOf = (name: string) => name.slice(0, 4);

const scenarioOf = (name: string) => (NO_AUTO_CREATE.has(name) ? 'noautocreate' : 'default');

/** Whether a test is among those of a run. */
export const isRunBy = (name: string, { number, scenario }: How) =>
  numberOf(name) === number && scenarioOf(name) === scenario;

/** The runs that tests take, those first that take longest. */
export function runsOf(names: readonly string[]): How[] {
  const runs = new Map<string, How>();
  for (const name of names) {
    const number = numberOf(name);
    const scenario = scenarioOf(name);
    for (const part of PARTS[number] ?? [undefined]) {
      runs.set(`${number} ${scenario} ${part}`, {
        number,
        scenario,
        part,
        isQuick: !FULL.has(number),
        isTimed: number === LATENCY,
        hasScripts: SCRIPTED.has(number),
        version: VERSIONS[number],
      });
    }
  }
  const rank = ({ number, part }: How) => {
    // The other parts are short, and some look for an order of events that comes about where little else runs: not first.
    const isLong =
      LONGEST.includes(number) && (part === undefined || part.includes('subscription_variation'));
    return isLong ? LONGEST.indexOf(number) : LONGEST.length + (part === undefined ? 0 : 1);
  };
  return [...runs.values()].sort((a, b) => rank(a) - rank(b));
}
