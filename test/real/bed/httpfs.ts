/**
 * HttpFS before an HDFS of the bed: the gateway that speaks WebHDFS's protocol on one port and redirects only to itself.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Daemon } from './daemon.ts';
import { LOADER, SUPERUSER, siteXml } from './hadoop.ts';
import { CLIENT_URL, type Hdfs } from './hdfs.ts';
import { freePort, LOOPBACK } from './ports.ts';

const HTTPFS_CLASS = 'org.apache.hadoop.fs.http.server.HttpFSServerWebServer';

export class HttpFs extends Daemon {
  readonly host = LOOPBACK;
  readonly port: number;

  constructor(hdfs: Hdfs, port: number, home: string) {
    const { hadoop } = hdfs;
    const properties = {
      'httpfs.home.dir': home,
      'httpfs.config.dir': home,
      'httpfs.log.dir': hadoop.bed.join('logs'),
      'httpfs.temp.dir': hadoop.bed.join('tmp'),
    };
    super(
      hadoop.bed.place('httpfs'),
      hadoop.program({ conf: home, main: HTTPFS_CLASS, properties }, async () => {
        const url = `http://${LOOPBACK}:${port}/webhdfs/v1/?op=GETFILESTATUS&user.name=${LOADER}`;
        return (await fetch(url, { signal: AbortSignal.timeout(5000) })).ok;
      }),
    );
    this.port = port;
  }

  /** The warehouse for a loader. */
  get url(): string {
    return this.webUrl();
  }

  webUrl(user = LOADER, path = '/warehouse'): string {
    return `webhdfs://${user}@${this.host}:${this.port}${path}`;
  }
}

/** Starts HttpFS before `hdfs`; it ends with it, or before by `await using`. */
export async function startHttpFs(hdfs: Hdfs): Promise<HttpFs> {
  const { bed } = hdfs;
  const port = await freePort();
  const home = bed.join('conf', 'httpfs');
  await mkdir(home, { recursive: true });
  const site = {
    'httpfs.http.hostname': LOOPBACK,
    'httpfs.http.port': port,
    'httpfs.hadoop.config.dir': hdfs.conf,
    [`httpfs.proxyuser.${LOADER}.hosts`]: '*',
    [`httpfs.proxyuser.${LOADER}.groups`]: '*',
  };
  await writeFile(join(home, 'httpfs-site.xml'), siteXml(site));
  await writeFile(join(home, 'httpfs-signature.secret'), `${SUPERUSER} of a bed on loopback\n`);
  const httpFs = bed.add(new HttpFs(hdfs, port, home));
  await httpFs.start();
  await bed.tell({ warehouse: httpFs.url, 'without HttpFS': hdfs.url, [CLIENT_URL]: hdfs.fsUrl });
  return httpFs;
}
