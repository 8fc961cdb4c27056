/**
 * A network that breaks: forwards connections to a broker and cuts each after some answers, the one in hand lost.
 */
import { connect, createServer, type Socket } from 'node:net';

/** Linux answers on all of 127.0.0.0/8, so the proxy can have the broker's port on an address of its own. */
export const PROXY_HOST = '127.0.0.2';

/** Listens on `PROXY_HOST` until disposed. */
export class CuttingProxy implements AsyncDisposable {
  /** Connections cut so far. */
  cuts = 0;
  /** While false, connections last. */
  cutting = true;
  readonly #sockets = new Set<Socket>();
  readonly #target: { host: string; port: number };
  readonly #answersPerConnection: () => number;
  readonly #server = createServer((near) => this.#onConnection(near));

  private constructor(target: { host: string; port: number }, answersPerConnection: () => number) {
    this.#target = target;
    this.#answersPerConnection = answersPerConnection;
  }

  static async start(
    target: { host: string; port: number },
    answersPerConnection: () => number,
  ): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target, answersPerConnection);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(target.port, PROXY_HOST, resolve);
    });
    return proxy;
  }

  #onConnection(near: Socket): void {
    const far = connect({ host: this.#target.host, port: this.#target.port });
    let answers = this.#answersPerConnection();
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => other.destroy());
    }
    near.on('data', (chunk) => far.write(chunk));
    far.on('data', (chunk) => {
      if (this.cutting && answers-- <= 0) {
        this.cuts++;
        near.destroy();
      } else near.write(chunk);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((closed) => this.#server.close(closed));
  }
}
