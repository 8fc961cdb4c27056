/**
 * One group as plain state, and questions about it: its members, which generation they are in, who leads, and how far it
 * has read. How it changes is told in `membership.ts` and `rebalance.ts`.
 */
import { CommittedOffsets } from './committed-offsets.ts';

/** As Kafka names them. Dead: deleted. */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

/** A way to share out partitions that a member can take part in, and what it tells the leader for that. */
export interface GroupProtocol {
  name: string;
  metadata: Buffer;
}

/** A request that waits for its answer; numbers are given by the caller. */
export type Ticket = number;

export interface Member {
  id: string;
  /** The name of a static member (KIP-345). */
  instanceId: string | null;
  clientId: string;
  clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  /** In the member's order of liking. */
  protocols: readonly GroupProtocol[];
  assignment: Buffer;
  /** The join that waits for the next generation. */
  join: Ticket | undefined;
  /** The sync that waits for the leader's assignment. */
  sync: Ticket | undefined;
  /** Has not seen a generation yet: it knows no id to send heartbeats with. */
  isNew: boolean;
  /** Joined this generation and has not asked for its assignment. */
  owesSync: boolean;
  /** Taken out unless heard of before; not while one of its requests waits here. */
  expiresMs: number;
}

/** Memory of a member besides its texts and bytes. */
const MEMBER_BYTES = 512;

export function memberBytes(member: Pick<Member, 'protocols' | 'assignment'>): number {
  const metadata = member.protocols.reduce((sum, each) => sum + each.name.length + each.metadata.length, 0);
  return MEMBER_BYTES + metadata + member.assignment.length;
}

export class Group {
  readonly id: string;
  state: GroupState = 'Empty';
  /** Since when it is in its state. */
  stateSinceMs: number;
  generation = 0;
  /** "consumer" for consumers; null before the first member. */
  protocolType: string | null = null;
  protocolName: string | null = null;
  leaderId: string | null = null;
  readonly members = new Map<string, Member>();
  /** Instance id → member id. */
  readonly instances = new Map<string, string>();
  /** Member ids that were given out and not used yet (KIP-394), and until when. */
  readonly pending = new Map<string, number>();
  readonly offsets = new CommittedOffsets();
  /** Commits on their way to the log. */
  commitsUnderWay = 0;
  /** When a rebalance stops waiting for members to join. */
  joinEndsMs: number | undefined;
  /** In the first rebalance of an empty group: how much longer it may be put off for members still coming (KIP-134). */
  delayLeftMs: number | undefined;
  /** Whether a member came since that rebalance was last put off. */
  hasNewMembers = false;
  /** When members that joined and did not ask for their assignment are taken out. */
  syncEndsMs: number | undefined;

  constructor(id: string, nowMs: number) {
    this.id = id;
    this.stateSinceMs = nowMs;
  }

  enter(state: GroupState, nowMs: number): void {
    this.state = state;
    this.stateSinceMs = nowMs;
  }

  /** The longest that any member asks a rebalance to wait for it. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { rebalanceTimeoutMs } of this.members.values())
      longest = Math.max(longest, rebalanceTimeoutMs);
    return longest;
  }

  /** Whether nobody is missing for the next generation. */
  get allJoined(): boolean {
    if (this.pending.size > 0) return false;
    for (const { join } of this.members.values()) if (join === undefined) return false;
    return true;
  }

  /** Whether a member with these protocols can take part beside the others. */
  supports(protocolType: string, protocols: readonly GroupProtocol[]): boolean {
    if (this.state === 'Empty') return protocolType !== '' && protocols.length > 0;
    if (protocolType !== this.protocolType) return false;
    const common = this.#commonProtocols();
    return this.members.size === 0 ? protocols.length > 0 : protocols.some(({ name }) => common.has(name));
  }

  #commonProtocols(): Set<string> {
    const counts = new Map<string, number>();
    for (const { protocols } of this.members.values())
      for (const name of new Set(protocols.map((each) => each.name)))
        counts.set(name, (counts.get(name) ?? 0) + 1);
    return new Set([...counts.keys()].filter((name) => counts.get(name) === this.members.size));
  }

  /** The protocol of the next generation: each member votes for its first that all have, the most votes win. */
  chooseProtocol(): string | null {
    const common = this.#commonProtocols();
    const votes = new Map<string, number>();
    for (const { protocols } of this.members.values()) {
      const vote = protocols.find(({ name }) => common.has(name))?.name;
      if (vote !== undefined) votes.set(vote, (votes.get(vote) ?? 0) + 1);
    }
    const [winner] = [...votes].sort(([, a], [, b]) => b - a);
    return winner?.[0] ?? null;
  }

  /** What a member told of the generation's protocol. */
  metadataOf(member: Member): Buffer {
    return member.protocols.find(({ name }) => name === this.protocolName)?.metadata ?? Buffer.alloc(0);
  }

  /** An estimate of the memory it takes. */
  get bytes(): number {
    let bytes = this.id.length + this.offsets.bytes;
    for (const member of this.members.values()) bytes += memberBytes(member);
    return bytes;
  }
}
