/**
 * Reading an accepted socket into one buffer, used again and again. Node allocates 64 KiB for every read otherwise, and at
 * hundreds of megabytes a second V8 answers that outside memory with one full collection after the other: half of what a
 * produce request costs. For sockets that connect there is the option `onread` (node:net) for it; for accepted ones Node
 * has the same code and no way in. So this takes the way that `onread` takes inside net.Socket, if this Node has it, and
 * reads by 'data' events if not: slower, and otherwise the same.
 */
import type { Socket } from 'node:net';

/** The parts of net.Socket that `onread` sets: two properties under symbols and a call of the native handle. */
interface SocketInside {
  [property: symbol]: unknown;
  _handle?: { useUserBuffer?(buffer: Buffer): void };
}

/**
 * Has `onBytes` called with whatever arrives; the bytes are valid during the call only. `buffer` may be shared by any
 * number of sockets. To be called when the socket was just accepted; pause and resume work as ever. Returns whether the
 * buffer is used.
 */
export function readInto(socket: Socket, buffer: Buffer, onBytes: (bytes: Buffer) => void): boolean {
  // Node's own, in no type; what is not as expected is found out below.
  const inside = socket as unknown as SocketInside;
  const symbols = Object.getOwnPropertySymbols(socket);
  const bufferKey = symbols.find(({ description }) => description === 'kBuffer');
  const callbackKey = symbols.find(({ description }) => description === 'kBufferCb');
  if (!bufferKey || !callbackKey || typeof inside._handle?.useUserBuffer !== 'function') {
    socket.on('data', onBytes);
    return false;
  }
  inside[bufferKey] = buffer;
  inside[callbackKey] = (count: number) => {
    onBytes(buffer.subarray(0, count));
    return true;
  };
  inside._handle.useUserBuffer(buffer);
  return true;
}
