import { describe, expect, it } from 'vitest';
import { addHour, ddlOf, shortDecimals, type TableOf } from '../../../schemas/ddl.ts';
import { parseSchema } from '../../../schemas/event-schema.ts';

const { columns } = parseSchema(
  'shop',
  JSON.stringify({
    type: 'object',
    required: ['event_time'],
    properties: {
      event_time: { type: 'string', format: 'date-time' },
      order: {
        type: 'object',
        properties: {
          price: { type: 'number', 'x-decimal': { precision: 18, scale: 2 } },
          total: { type: 'number', 'x-decimal': { precision: 19, scale: 2 } },
        },
      },
    },
  }),
);
const TABLE: TableOf = { table: 'db.shop', location: "hdfs://nn/w/it's", columns, hiveTimestamps: false };

const RECORD = [
  '  `_partition` INT,',
  '  `_offset` BIGINT,',
  '  `_timestamp` TIME,',
  '  `_key` BINARY,',
  '  `_headers` ARRAY<STRUCT<`key`: STRING, `value`: BINARY>>,',
  '  `_extra` STRING,',
];
const record = (time: string) => RECORD.map((line) => line.replace('TIME', time));

describe('the statements', () => {
  it('for Hive take times as numbers, unless it is told that it knows them', () => {
    const { create, register } = ddlOf('hive', TABLE);
    expect(create.split('\n')).toEqual([
      'CREATE EXTERNAL TABLE `db`.`shop` (',
      ...record('BIGINT'),
      '  `event_time` BIGINT,',
      '  `order` STRUCT<`price`: DECIMAL(18,2), `total`: DECIMAL(19,2)>)',
      'PARTITIONED BY (`dt` STRING, `hour` STRING)',
      'STORED AS PARQUET',
      "LOCATION 'hdfs://nn/w/it''s'",
    ]);
    expect(register).toEqual(['MSCK REPAIR TABLE `db`.`shop`']);
    expect(ddlOf('hive', { ...TABLE, hiveTimestamps: true }).create).toContain('`event_time` TIMESTAMP');
  });

  it('for Spark have the columns of the path among the others', () => {
    const { create, register } = ddlOf('spark', TABLE);
    expect(create.split('\n').slice(7)).toEqual([
      '  `event_time` TIMESTAMP,',
      '  `order` STRUCT<`price`: DECIMAL(18,2), `total`: DECIMAL(19,2)>,',
      '  `dt` STRING,',
      '  `hour` STRING)',
      'USING PARQUET',
      'PARTITIONED BY (`dt`, `hour`)',
      "LOCATION 'hdfs://nn/w/it''s'",
    ]);
    expect(register).toEqual(['ALTER TABLE `db`.`shop` RECOVER PARTITIONS']);
  });

  it('for a topic without a schema hold the value as bytes', () => {
    const raw = { ...TABLE, columns: undefined };
    expect(ddlOf('hive', raw).create).toContain('`_value` BINARY)');
    expect(ddlOf('duckdb', raw).create).toContain('CAST(NULL AS BLOB) AS "_value"');
  });

  it('register an hour by name', () => {
    expect(addHour('hive', 'shop', '2026-11-22T05')).toBe(
      "ALTER TABLE `shop` ADD IF NOT EXISTS PARTITION (`dt` = '2026-11-22', `hour` = '05')",
    );
  });

  it('know the decimals that old readers of Hive fail on', () => {
    expect(shortDecimals(columns)).toEqual(['order.price']);
  });
});
