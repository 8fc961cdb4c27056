/** The branch `aggregates` of the settings: the user's own queries, parameters of queries, and where Spark is. */
import { z } from 'zod';

export const aggregates = z.strictObject({
  dir: z
    .string()
    .default('')
    .describe('directory of further queries, NAME.sql with the header of the built-in ones'),
  parameters: z
    .record(
      z.string(),
      z
        .string()
        .describe('value of a parameter of a query, NAME being QUERY.PARAMETER; in quotes, numbers too'),
    )
    .default({}),
  spark: z
    .strictObject({
      home: z
        .string()
        .default('')
        .describe("directory of Spark, for --engine spark; empty: the environment's SPARK_HOME"),
      master: z.string().default('').describe('where Spark runs (--master); empty: as Spark is set up'),
      warehouse: z
        .string()
        .default('')
        .describe(
          'URL of the table root as Spark reaches it, hdfs://NAMENODE:8020/path; empty: as loader.warehouse says',
        ),
    })
    .prefault({}),
});
