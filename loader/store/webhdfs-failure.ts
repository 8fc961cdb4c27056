/**
 * What can go wrong on the way to HDFS, sorted by what is to be done about it. HDFS's own errors are told apart by the
 * name of the exception (`RemoteException.exception`), never by the HTTP status: every IOException is a 403. Answers that
 * are no JSON come from proxies, from a server without WebHDFS, or from a port that is not the one for HTTP.
 */
import { redacted } from './webhdfs-address.ts';

/** What kind of trouble it is: a row of `KINDS`. */
export type FailureKind = keyof typeof KINDS;

/**
 * `next`: whether another NameNode, or the same one later, may answer otherwise: `now` tries the next at once, `later`
 * waits first when all were asked, `no` gives up. `hint`: what a person can do. `retriable`: a later run may succeed
 * with nothing changed.
 */
interface KindRow {
  next: 'now' | 'later' | 'no';
  retriable: boolean;
  hint: string;
}

const KINDS = {
  /** No connection: nothing was asked. */
  unreachable: { next: 'now', retriable: true, hint: 'is it running, and is this its HTTP address?' },
  /** Asked, but the answer did not come, or not whole: it may have been done. */
  lost: { next: 'no', retriable: true, hint: 'run it again, it finds out what was done' },
  standby: { next: 'now', retriable: true, hint: 'no NameNode is active; make one so, or name them all' },
  safeMode: {
    next: 'later',
    retriable: true,
    hint: 'wait until it leaves safe mode, or see "hdfs dfsadmin -safemode get"',
  },
  transient: { next: 'later', retriable: true, hint: 'run it again; if it lasts, look at the NameNode log' },
  noDataNode: {
    next: 'later',
    retriable: true,
    hint: 'too few live DataNodes with room; see "hdfs dfsadmin -report"',
  },
  /** The DataNode, and only it: another one is asked. */
  dataNode: { next: 'later', retriable: true, hint: 'see the log of that DataNode' },
  denied: {
    next: 'no',
    retriable: false,
    hint: 'give the user the right (hdfs dfs -chown, -chmod, -setfacl)',
  },
  proxyUser: { next: 'no', retriable: false, hint: 'allow it by hadoop.proxyuser.* on the NameNode' },
  token: {
    next: 'no',
    retriable: false,
    hint: 'the server does not take the proof of who asks',
  },
  certificate: {
    next: 'no',
    retriable: false,
    hint: 'name the certificate of its authority by webhdfs.caFile, and the server by the name that the certificate has',
  },
  missing: { next: 'no', retriable: false, hint: 'it is not there' },
  exists: { next: 'no', retriable: false, hint: 'another file has the name' },
  notDirectory: {
    next: 'no',
    retriable: false,
    hint: 'a part of the path is a file; choose another --warehouse',
  },
  quota: {
    next: 'no',
    retriable: true,
    hint: 'raise the quota (hdfs dfsadmin -setSpaceQuota, -setQuota) or make room, and run it again; nothing is lost',
  },
  unsupported: { next: 'no', retriable: false, hint: 'the server does not know this request' },
  refused: { next: 'no', retriable: false, hint: 'see the NameNode log' },
  garbage: {
    next: 'later',
    retriable: true,
    hint: 'is this the HTTP port of a NameNode (9870) or of HttpFS (14000), and is WebHDFS switched on?',
  },
} as const satisfies Record<string, KindRow>;

/** An exchange that failed. `origin`: the server it failed at. */
export class HttpFailure extends Error {
  override name = 'HttpFailure';
  readonly kind: FailureKind;
  readonly origin: string;

  constructor(kind: FailureKind, message: string, origin: string, options: { cause?: unknown } = {}) {
    super(redacted(message), options);
    this.kind = kind;
    this.origin = origin;
  }

  get row(): KindRow {
    return KINDS[this.kind];
  }
}

const BY_EXCEPTION: Readonly<Record<string, FailureKind>> = {
  StandbyException: 'standby',
  ObserverRetryOnActiveException: 'standby',
  RetriableException: 'transient',
  SafeModeException: 'safeMode',
  AccessControlException: 'denied',
  AuthorizationException: 'proxyUser',
  InvalidToken: 'token',
  ExpiredTokenException: 'token',
  TokenExpiredException: 'token',
  AuthenticationException: 'token',
  FileNotFoundException: 'missing',
  FileAlreadyExistsException: 'exists',
  AlreadyBeingCreatedException: 'exists',
  RecoveryInProgressException: 'exists',
  LeaseExpiredException: 'lost',
  ParentNotDirectoryException: 'notDirectory',
  PathIsNotDirectoryException: 'notDirectory',
  NSQuotaExceededException: 'quota',
  DSQuotaExceededException: 'quota',
  QuotaByStorageTypeExceededException: 'quota',
  QuotaExceededException: 'quota',
  PathComponentTooLongException: 'refused',
  FSLimitException$PathComponentTooLongException: 'refused',
  FSLimitException$MaxDirectoryItemsExceededException: 'refused',
  MaxDirectoryItemsExceededException: 'refused',
  InvalidPathException: 'refused',
  UnresolvedPathException: 'refused',
  SnapshotException: 'refused',
  IllegalArgumentException: 'unsupported',
  UnsupportedOperationException: 'unsupported',
  HadoopIllegalArgumentException: 'unsupported',
  QueryParamException: 'unsupported',
};

/** Causes that arrive wrapped in an exception which says less: in a SecurityException, a plain IOException. */
const BY_MESSAGE: readonly (readonly [RegExp, FailureKind])[] = [
  [/StandbyException|not supported in state standby/, 'standby'],
  [/[Ss]afe ?mode/, 'safeMode'],
  [/InvalidToken|token .*(expired|can't be found)/i, 'token'],
  [/QuotaExceeded|quota of .* is exceeded/, 'quota'],
  [
    /could only be (written|replicated) to|Failed to find datanode|no live datanode|No active nodes contain/i,
    'noDataNode',
  ],
  [/in startup mode|RetriableException/, 'transient'],
  [/out of the range/, 'refused'],
  // A file cannot take the name of a directory, nor the reverse.
  [/must both be (directories|files)/, 'exists'],
  // What was sent as a token is none; no proof was sent.
  [/Failed to obtain user group information/, 'token'],
];

/** How the pages of the filter before WebHDFS tell that a ticket or a cookie was not taken, with a 403. */
const UNPROVEN = /GSSException|AuthenticationException|SignerException/;

/** What of an answer tells of an error. */
interface AnswerText {
  status: number;
  body: Buffer;
}

interface RemoteException {
  exception: string;
  message: string;
}

function remoteExceptionOf(body: Buffer): RemoteException | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    const found = (parsed as { RemoteException?: Partial<RemoteException> } | null)?.RemoteException;
    if (typeof found?.exception !== 'string') return undefined;
    return { exception: found.exception, message: typeof found.message === 'string' ? found.message : '' };
  } catch {
    return undefined;
  }
}

const MESSAGE_LIMIT = 300;
const firstLine = (text: string) => (text.split('\n')[0] ?? '').trim().slice(0, MESSAGE_LIMIT);

/** What a page of an error says in its title; '' for a body that is none. */
function titleOf(body: Buffer): string {
  const title = /<title>\s*(?:Error\s+\d+\s*)?([^<]*)<\/title>/i.exec(body.toString('latin1'))?.[1] ?? '';
  return firstLine(title.replaceAll('&gt;', '>').replaceAll('&lt;', '<').replaceAll('&amp;', '&'));
}

/** Whether the body of an answer tells of an error, whatever its status. */
export function tellsOfError({ status, body }: AnswerText): boolean {
  return status >= 400 || (body.length < 64 * 1024 && body.includes('"RemoteException"'));
}

/** The failure that an answer tells of. `isDataNode`: the answer of a DataNode, whose own troubles another may not have. */
export function failureOfAnswer(answer: AnswerText, origin: string, isDataNode: boolean): HttpFailure {
  const remote = remoteExceptionOf(answer.body);
  if (remote !== undefined) {
    const { exception, message } = remote;
    const text = `${exception}: ${firstLine(message)}`;
    const wrapped = /^(IOException|SecurityException|RemoteException|RuntimeException|RetriableException)$/;
    const byMessage = wrapped.test(exception)
      ? BY_MESSAGE.find(([pattern]) => pattern.test(message))?.[1]
      : undefined;
    // How a NameNode says that a part of the path is a file.
    if (exception === 'AccessControlException' && message.endsWith('(is not a directory)'))
      return new HttpFailure('notDirectory', text, origin);
    const other = isDataNode ? 'dataNode' : 'transient';
    return new HttpFailure(byMessage ?? BY_EXCEPTION[exception] ?? other, text, origin);
  }
  const { status } = answer;
  const said = titleOf(answer.body);
  if (status === 401 || (status === 403 && UNPROVEN.test(said)))
    return new HttpFailure('token', `HTTP ${status}: ${said || 'not authenticated'}`, origin);
  const text = `HTTP ${status} without the JSON of WebHDFS`;
  if (isDataNode) return new HttpFailure('dataNode', text, origin);
  return new HttpFailure(status >= 500 ? 'transient' : 'garbage', text, origin);
}
