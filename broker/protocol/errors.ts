/**
 * The errors of the Kafka protocol as one table, and the one class that carries them: handlers throw it and dispatch
 * turns it into a code; the client turns a code back into it. Codes and names: org.apache.kafka.common.protocol.Errors.
 */

/** `fatal`: asking again will not help. `retriable`: it may. `moved`: it may, once the metadata is fetched anew. */
type Kind = 'fatal' | 'retriable' | 'moved';

/** Name → code, kind, and what it means. */
export const ERRORS = {
  UNKNOWN_SERVER_ERROR: [-1, 'fatal', 'the broker failed in a way it has no code for'],
  OFFSET_OUT_OF_RANGE: [1, 'fatal', 'the offset lies outside the log'],
  CORRUPT_MESSAGE: [2, 'retriable', 'the records fail their checksum or are malformed'],
  UNKNOWN_TOPIC_OR_PARTITION: [3, 'moved', 'the broker has no such topic or partition'],
  INVALID_FETCH_SIZE: [4, 'fatal', 'the fetch size is not valid'],
  LEADER_NOT_AVAILABLE: [5, 'moved', 'the partition has no leader at the moment'],
  NOT_LEADER_OR_FOLLOWER: [6, 'moved', 'the broker does not lead the partition'],
  REQUEST_TIMED_OUT: [7, 'retriable', 'the request took longer than its limit'],
  BROKER_NOT_AVAILABLE: [8, 'retriable', 'no broker is available'],
  REPLICA_NOT_AVAILABLE: [9, 'moved', 'the replica is not available'],
  MESSAGE_TOO_LARGE: [10, 'fatal', 'the record batch is larger than the broker takes'],
  STALE_CONTROLLER_EPOCH: [11, 'fatal', 'the controller was replaced'],
  OFFSET_METADATA_TOO_LARGE: [12, 'fatal', 'the text stored with the offset is too large'],
  NETWORK_EXCEPTION: [13, 'moved', 'the connection broke before the answer'],
  COORDINATOR_LOAD_IN_PROGRESS: [14, 'retriable', 'the coordinator is still loading'],
  COORDINATOR_NOT_AVAILABLE: [15, 'retriable', 'there is no coordinator'],
  NOT_COORDINATOR: [16, 'retriable', 'the broker is not the coordinator'],
  INVALID_TOPIC_EXCEPTION: [17, 'fatal', 'the topic name is not allowed'],
  RECORD_LIST_TOO_LARGE: [18, 'fatal', 'the record batch is larger than a segment'],
  NOT_ENOUGH_REPLICAS: [19, 'retriable', 'too few replicas are in sync'],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: [20, 'retriable', 'appended, but too few replicas are in sync'],
  INVALID_REQUIRED_ACKS: [21, 'fatal', 'acks is none of -1, 0, 1'],
  ILLEGAL_GENERATION: [22, 'fatal', 'the group generation is over'],
  INCONSISTENT_GROUP_PROTOCOL: [23, 'fatal', 'the group speaks no common protocol'],
  INVALID_GROUP_ID: [24, 'fatal', 'the group id is not allowed'],
  UNKNOWN_MEMBER_ID: [25, 'fatal', 'the group has no such member'],
  INVALID_SESSION_TIMEOUT: [26, 'fatal', 'the session timeout is out of range'],
  REBALANCE_IN_PROGRESS: [27, 'fatal', 'the group is rebalancing'],
  INVALID_COMMIT_OFFSET_SIZE: [28, 'fatal', 'the offset commit is too large'],
  TOPIC_AUTHORIZATION_FAILED: [29, 'fatal', 'not authorized for the topic'],
  GROUP_AUTHORIZATION_FAILED: [30, 'fatal', 'not authorized for the group'],
  CLUSTER_AUTHORIZATION_FAILED: [31, 'fatal', 'not authorized for the cluster'],
  INVALID_TIMESTAMP: [32, 'fatal', 'the record time is out of range'],
  UNSUPPORTED_SASL_MECHANISM: [33, 'fatal', 'the broker lacks that SASL mechanism'],
  ILLEGAL_SASL_STATE: [34, 'fatal', 'the request does not fit the state of authentication'],
  UNSUPPORTED_VERSION: [35, 'fatal', 'the broker lacks that version of the API'],
  TOPIC_ALREADY_EXISTS: [36, 'fatal', 'the topic exists already'],
  INVALID_PARTITIONS: [37, 'fatal', 'the number of partitions is not allowed'],
  INVALID_REPLICATION_FACTOR: [38, 'fatal', 'the replication is below 1 or above the number of brokers'],
  INVALID_REPLICA_ASSIGNMENT: [39, 'fatal', 'the replica assignment is not allowed'],
  INVALID_CONFIG: [40, 'fatal', 'a topic setting is not allowed'],
  NOT_CONTROLLER: [41, 'moved', 'the broker is not the controller'],
  INVALID_REQUEST: [42, 'fatal', 'the request contradicts itself or the protocol'],
  UNSUPPORTED_FOR_MESSAGE_FORMAT: [43, 'fatal', 'the message format does not support this'],
  POLICY_VIOLATION: [44, 'fatal', 'a policy of the broker forbids this'],
  OUT_OF_ORDER_SEQUENCE_NUMBER: [
    45,
    'fatal',
    'a batch of the idempotent producer is missing before this one',
  ],
  DUPLICATE_SEQUENCE_NUMBER: [46, 'fatal', 'the batch of the idempotent producer is there already'],
  INVALID_PRODUCER_EPOCH: [47, 'fatal', 'a newer epoch of the producer exists'],
  INVALID_TXN_STATE: [48, 'fatal', 'the transaction is not in a state for this'],
  INVALID_PRODUCER_ID_MAPPING: [49, 'fatal', 'the producer id does not belong to the transactional id'],
  INVALID_TRANSACTION_TIMEOUT: [50, 'fatal', 'the transaction timeout is above the limit'],
  CONCURRENT_TRANSACTIONS: [51, 'retriable', 'another request of the transaction is under way'],
  TRANSACTION_COORDINATOR_FENCED: [52, 'fatal', 'the transaction coordinator was replaced'],
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: [53, 'fatal', 'not authorized for the transactional id'],
  SECURITY_DISABLED: [54, 'fatal', 'security is switched off'],
  OPERATION_NOT_ATTEMPTED: [55, 'fatal', 'not attempted, because another part of the request failed'],
  KAFKA_STORAGE_ERROR: [56, 'moved', 'the disk of the broker failed'],
  LOG_DIR_NOT_FOUND: [57, 'fatal', 'the log directory is not there'],
  SASL_AUTHENTICATION_FAILED: [58, 'fatal', 'authentication failed'],
  UNKNOWN_PRODUCER_ID: [59, 'fatal', 'the broker has forgotten the producer id'],
  REASSIGNMENT_IN_PROGRESS: [60, 'fatal', 'the partition is being reassigned'],
  DELEGATION_TOKEN_AUTH_DISABLED: [61, 'fatal', 'delegation tokens are switched off'],
  DELEGATION_TOKEN_NOT_FOUND: [62, 'fatal', 'there is no such delegation token'],
  DELEGATION_TOKEN_OWNER_MISMATCH: [63, 'fatal', 'the delegation token belongs to another'],
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: [64, 'fatal', 'delegation tokens are not allowed here'],
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: [65, 'fatal', 'not authorized for the delegation token'],
  DELEGATION_TOKEN_EXPIRED: [66, 'fatal', 'the delegation token expired'],
  INVALID_PRINCIPAL_TYPE: [67, 'fatal', 'the principal type is not supported'],
  NON_EMPTY_GROUP: [68, 'fatal', 'the group still has members'],
  GROUP_ID_NOT_FOUND: [69, 'fatal', 'there is no such group'],
  FETCH_SESSION_ID_NOT_FOUND: [70, 'retriable', 'there is no such fetch session'],
  INVALID_FETCH_SESSION_EPOCH: [71, 'retriable', 'the fetch session is at another epoch'],
  LISTENER_NOT_FOUND: [72, 'moved', 'the leader has no matching listener'],
  TOPIC_DELETION_DISABLED: [73, 'fatal', 'deleting topics is switched off'],
  FENCED_LEADER_EPOCH: [74, 'moved', 'the leader epoch is older than the broker knows'],
  UNKNOWN_LEADER_EPOCH: [75, 'moved', 'the leader epoch is newer than the broker knows'],
  UNSUPPORTED_COMPRESSION_TYPE: [76, 'fatal', 'the codec is not supported'],
  STALE_BROKER_EPOCH: [77, 'fatal', 'the broker registered anew since'],
  OFFSET_NOT_AVAILABLE: [78, 'retriable', 'a new leader does not know its end offset yet'],
  MEMBER_ID_REQUIRED: [79, 'fatal', 'join again with the member id given'],
  PREFERRED_LEADER_NOT_AVAILABLE: [80, 'moved', 'the preferred leader is not available'],
  GROUP_MAX_SIZE_REACHED: [81, 'fatal', 'the group is full'],
  FENCED_INSTANCE_ID: [82, 'fatal', 'another member took the instance id'],
  ELIGIBLE_LEADERS_NOT_AVAILABLE: [83, 'moved', 'no eligible leader is available'],
  ELECTION_NOT_NEEDED: [84, 'moved', 'the partition needs no election'],
  NO_REASSIGNMENT_IN_PROGRESS: [85, 'fatal', 'no reassignment is under way'],
  GROUP_SUBSCRIBED_TO_TOPIC: [86, 'fatal', 'the group is subscribed to the topic'],
  INVALID_RECORD: [87, 'fatal', 'the broker refused a record of the batch'],
  UNSTABLE_OFFSET_COMMIT: [88, 'retriable', 'offsets of an open transaction stand before it'],
  THROTTLING_QUOTA_EXCEEDED: [89, 'retriable', 'a quota is used up'],
  PRODUCER_FENCED: [90, 'fatal', 'a newer producer took the transactional id'],
  RESOURCE_NOT_FOUND: [91, 'fatal', 'there is no such resource'],
  DUPLICATE_RESOURCE: [92, 'fatal', 'the resource is named twice'],
  UNACCEPTABLE_CREDENTIAL: [93, 'fatal', 'the credential does not meet the rules'],
  INCONSISTENT_VOTER_SET: [94, 'fatal', 'the voter set is inconsistent'],
  INVALID_UPDATE_VERSION: [95, 'fatal', 'the update version is not valid'],
  FEATURE_UPDATE_FAILED: [96, 'fatal', 'the feature could not be updated'],
  PRINCIPAL_DESERIALIZATION_FAILURE: [97, 'fatal', 'the principal could not be read'],
  SNAPSHOT_NOT_FOUND: [98, 'fatal', 'there is no such snapshot'],
  POSITION_OUT_OF_RANGE: [99, 'fatal', 'the position lies outside the snapshot'],
  UNKNOWN_TOPIC_ID: [100, 'moved', 'the broker has no topic of that id'],
  DUPLICATE_BROKER_REGISTRATION: [101, 'fatal', 'the broker id is taken'],
  BROKER_ID_NOT_REGISTERED: [102, 'fatal', 'the broker id is not registered'],
  INCONSISTENT_TOPIC_ID: [103, 'moved', 'the topic has another id now'],
  INCONSISTENT_CLUSTER_ID: [104, 'fatal', 'the cluster id differs'],
  TRANSACTIONAL_ID_NOT_FOUND: [105, 'fatal', 'there is no such transactional id'],
  FETCH_SESSION_TOPIC_ID_ERROR: [106, 'retriable', 'the fetch session mixes topic ids and names'],
  INELIGIBLE_REPLICA: [107, 'fatal', 'the replica may not join the in-sync set'],
  NEW_LEADER_ELECTED: [108, 'fatal', 'the change elected a new leader'],
  OFFSET_MOVED_TO_TIERED_STORAGE: [109, 'fatal', 'the offset moved to tiered storage'],
  FENCED_MEMBER_EPOCH: [110, 'fatal', 'the member epoch is over'],
  UNRELEASED_INSTANCE_ID: [111, 'fatal', 'the instance id is still in use'],
  UNSUPPORTED_ASSIGNOR: [112, 'fatal', 'the assignor is not supported'],
  STALE_MEMBER_EPOCH: [113, 'fatal', 'the member epoch is stale'],
  MISMATCHED_ENDPOINT_TYPE: [114, 'fatal', 'the request went to the wrong kind of endpoint'],
  UNSUPPORTED_ENDPOINT_TYPE: [115, 'fatal', 'the endpoint type is not supported'],
  UNKNOWN_CONTROLLER_ID: [116, 'fatal', 'the controller id is not known'],
  UNKNOWN_SUBSCRIPTION_ID: [117, 'fatal', 'the telemetry subscription is not known'],
  TELEMETRY_TOO_LARGE: [118, 'fatal', 'the telemetry is too large'],
  INVALID_REGISTRATION: [119, 'fatal', 'the registration is not valid'],
  TRANSACTION_ABORTABLE: [120, 'fatal', 'the transaction must be aborted'],
} as const satisfies Record<string, readonly [code: number, kind: Kind, text: string]>;

/** The name of a protocol error. */
export type ErrorName = keyof typeof ERRORS;

const NAMES = new Map<number, ErrorName>(
  (Object.keys(ERRORS) as ErrorName[]).map((name) => [ERRORS[name][0], name]),
);

/** The code of "no error" in every response. */
export const NO_ERROR = 0;

/** The name of an error code; one we do not know counts as UNKNOWN_SERVER_ERROR, and 0 as none. */
export function errorNameOf(code: number): ErrorName | undefined {
  return code === NO_ERROR ? undefined : (NAMES.get(code) ?? 'UNKNOWN_SERVER_ERROR');
}

/** The number of an error on the wire, 0 for none. */
export function codeOf(error: ErrorName | undefined): number {
  return error === undefined ? NO_ERROR : ERRORS[error][0];
}

/** An error of the protocol. The message says what it means and, where the thrower knows, of what. */
export class KafkaError extends Error {
  override readonly name = 'KafkaError';
  readonly error: ErrorName;

  constructor(error: ErrorName, detail?: string, options?: ErrorOptions) {
    const [code, , text] = ERRORS[error];
    super(`${detail ? `${detail}: ` : ''}${text} (${error}, Kafka error ${code})`, options);
    this.error = error;
  }

  /** The number on the wire. */
  get code(): number {
    return ERRORS[this.error][0];
  }

  /** Whether the same request may succeed later. */
  get retriable(): boolean {
    return ERRORS[this.error][1] !== 'fatal';
  }

  /** Whether metadata should be fetched anew before the next attempt. */
  get moved(): boolean {
    return ERRORS[this.error][1] === 'moved';
  }
}

/** The error of a response's code, or undefined for 0. `detail` names what it is about. */
export function errorOf(code: number, detail?: string): KafkaError | undefined {
  const name = errorNameOf(code);
  if (name === undefined) return undefined;
  const known = NAMES.has(code);
  return new KafkaError(
    name,
    known ? detail : [detail, `unknown error code ${code}`].filter(Boolean).join(', '),
  );
}
