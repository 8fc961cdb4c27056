/** The layers of the settings: which wins, where a value came from, and how every mistake is named. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadSettings, type SettingLayers, SettingsError } from '../../../config/load.ts';

const load = (layers: Partial<SettingLayers>) => loadSettings({ environment: {}, set: [], ...layers });
const set = (...pairs: string[]) =>
  pairs.map((pair) => {
    const at = pair.indexOf('=');
    return { path: pair.slice(0, at), text: pair.slice(at + 1), from: '--set' };
  });

function problemsOf(layers: Partial<SettingLayers>): readonly string[] {
  try {
    load(layers);
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsError);
    return (error as SettingsError).problems;
  }
  throw new Error('the settings were accepted');
}

describe('layers', () => {
  it('without any layer every default stands and nothing has an origin', () => {
    const { settings, origins } = load({});
    expect(settings.broker.port).toBe(9092);
    expect(settings.broker.log.segmentBytes).toBe(2 ** 30);
    expect(origins.size).toBe(0);
  });

  it('file beats default, environment beats file, --set beats environment, and the last --set wins', () => {
    const file = {
      name: 'a.yaml',
      text: 'broker: {port: 1, nodeId: 1, host: f, log: {segmentBytes: 70000}}',
    };
    const environment = { MILLRACE_BROKER_NODE_ID: '2', MILLRACE_BROKER_HOST: 'e', HOME: '/' };
    const { settings, origins } = load({
      file,
      environment,
      set: set('broker.host=first', 'broker.host=s'),
    });
    expect(settings.broker).toMatchObject({ port: 1, nodeId: 2, host: 's', log: { segmentBytes: 70000 } });
    expect(Object.fromEntries(origins)).toEqual({
      'broker.port': 'file a.yaml',
      'broker.log.segmentBytes': 'file a.yaml',
      'broker.nodeId': 'environment MILLRACE_BROKER_NODE_ID',
      'broker.host': '--set',
    });
  });

  it('a file may be JSON, empty, or only comments', () => {
    expect(load({ file: { name: 'a.json', text: '{"logLevel":"info"}' } }).settings.logLevel).toBe('info');
    expect(load({ file: { name: 'a.yaml', text: '' } }).settings.logLevel).toBe('warn');
    expect(load({ file: { name: 'a.yaml', text: '# nothing\n' } }).settings.logLevel).toBe('warn');
  });

  it('text becomes a number, a truth value or -1 where the setting is one, and stays text elsewhere', () => {
    const { settings } = load({
      set: set(
        'broker.autoCreateTopics=false',
        'broker.log.retentionMs=-1',
        'loader.spoolDir=12',
        'schemas.dir=',
      ),
    });
    expect(settings.broker.autoCreateTopics).toBe(false);
    expect(settings.broker.log.retentionMs).toBe(-1);
    expect(settings.loader.spoolDir).toBe('12');
  });

  it('a topic may have dots in its name, and a name that objects have by nature', () => {
    const { settings } = load({
      set: set('topics.web.eu.schema=web_request', 'topics.constructor.tombstones=skip'),
    });
    expect(settings.topics['web.eu']).toEqual({ schema: 'web_request' });
    expect(settings.topics['constructor']).toEqual({ tombstones: 'skip' });
    expect(load({ file: { name: 'f', text: 'topics: {a.b: {schema: x}}' } }).settings.topics).toEqual({
      'a.b': { schema: 'x' },
    });
  });

  it('one variable holds the settings of all topics as JSON', () => {
    const environment = { MILLRACE_TOPICS: '{"a.b":{"schema":"web_request"}}' };
    const { settings, origins } = load({ environment });
    expect(settings.topics).toEqual({ 'a.b': { schema: 'web_request' } });
    expect(origins.get('topics.a.b.schema')).toBe('environment MILLRACE_TOPICS');
    expect(load({ environment: { MILLRACE_TOPICS: '' } }).settings.topics).toEqual({});
    expect(problemsOf({ environment: { MILLRACE_TOPICS: 'a' } })).toEqual([
      'topics is no JSON, from environment MILLRACE_TOPICS; write {"NAME":{"setting":"value"}}',
    ]);
  });

  it('the example files of config/ are accepted', () => {
    for (const name of ['embedded.yaml', 'cluster.yaml'])
      expect(() => load({ file: { name, text: readFileSync(`config/${name}`, 'utf8') } })).not.toThrow();
  });
});

describe('problems', () => {
  it('all of them are reported together, each with its origin and the nearest name or what is accepted', () => {
    const problems = problemsOf({
      file: { name: 'a.yaml', text: 'broker: {prot: 1, log: 5}\nloader: {compression: lzo}' },
      environment: { MILLRACE_BROKER_LOG_SEGMENT_BYTE: '1', MILLRACE_BROKER_NODE_ID: 'x' },
      set: set('client.retrys=1', 'topics.a.b.shema=x', 'topics.a.tombstones=maybe'),
    });
    expect(problems).toEqual([
      'unknown setting broker.prot, from file a.yaml; did you mean broker.port?',
      'broker.log is no group of settings, from file a.yaml; write "name: value" lines in it',
      'unknown setting MILLRACE_BROKER_LOG_SEGMENT_BYTE, from the environment; did you mean MILLRACE_BROKER_LOG_SEGMENT_BYTES?',
      'unknown setting client.retrys, from --set; did you mean client.retries?',
      'unknown setting topics.a.b.shema, from --set; did you mean topics.a.b.schema?',
      'setting broker.nodeId is "x", from environment MILLRACE_BROKER_NODE_ID; it must be a whole number from 0 to 2147483647',
      'setting loader.compression is "lzo", from file a.yaml; it must be one of snappy, zstd, uncompressed',
      'setting topics.a.tombstones is "maybe", from --set; it must be one of quarantine, skip',
    ]);
  });

  it('addresses of brokers have a host and a port each', () => {
    for (const good of ['a:1', 'a:1,b:65535', '[::1]:9092', ' a:1 , b:2 '])
      expect(load({ set: set(`client.brokers=${good}`) }).settings.client.brokers).toBe(good);
    for (const bad of ['', 'a', 'a:', ':1', 'a:1,', 'a:b'])
      expect(problemsOf({ set: set(`client.brokers=${bad}`) })).toEqual([
        `setting client.brokers is "${bad}", from --set; it must be HOST:PORT[,HOST:PORT] of the brokers to start from`,
      ]);
  });

  it('a last part alone finds its setting, and a name like nothing points to the list', () => {
    expect(problemsOf({ set: set('port=1', 'zzzzzz=1') })).toEqual([
      'unknown setting port, from --set; did you mean broker.port?',
      'unknown setting zzzzzz, from --set; "millrace config show" lists every setting',
    ]);
  });

  it('a file that is no YAML names the file and the line; a repeated key is refused', () => {
    expect(problemsOf({ file: { name: 'a.yaml', text: 'broker:\n  port: [1\n' } })[0]).toMatch(
      /^no readable YAML or JSON: .*, in file a.yaml, line \d+; mend the file$/,
    );
    expect(problemsOf({ file: { name: 'a.yaml', text: 'logLevel: info\nlogLevel: warn' } })[0]).toMatch(
      /unique/,
    );
    expect(problemsOf({ file: { name: 'a.yaml', text: '- 1' } })[0]).toMatch(/^the whole is no group/);
  });

  it('variables that Kubernetes makes of a service named millrace are no settings', () => {
    const environment = {
      MILLRACE_SERVICE_HOST: '10.0.0.1',
      MILLRACE_PORT: 'tcp://10.0.0.1:9092',
      MILLRACE_BROKER_PORT: 'tcp://10.0.0.1:9092',
      MILLRACE_BROKER_PORT_9092_TCP_ADDR: '10.0.0.1',
    };
    expect(load({ environment }).settings.broker.port).toBe(9092);
  });
});
