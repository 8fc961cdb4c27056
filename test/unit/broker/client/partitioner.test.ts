import { murmur2 as platformaticMurmur2 } from '@platformatic/kafka';
import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { expect, test } from 'vitest';
import { murmur2, partitionOf } from '../../../../broker/client/partitioner.ts';

test('the vectors of Kafka itself (UtilsTest.testMurmur2) come out', () => {
  const vectors = {
    '21': -973932308,
    foobar: -790332482,
    'a-little-bit-long-string': -985981536,
    'a-little-bit-longer-string': -1486304829,
    lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
    abc: 479470107,
  };
  for (const [text, hash] of Object.entries(vectors)) expect(murmur2(Buffer.from(text))).toBe(hash);
});

test('any key goes where kafkajs and platformatic send it', () => {
  const kafkajs = Partitioners.DefaultPartitioner();
  const partitionMetadata = Array.from({ length: 7 }, (_, partitionId) => ({ partitionId, leader: 0 }));
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
      const key = Buffer.from(bytes);
      const theirs = kafkajs({
        topic: 't',
        partitionMetadata: partitionMetadata as never, // of it the partitioner reads the ids alone
        message: { key, value: null },
      });
      expect(partitionOf(key, 7)).toBe(theirs);
      expect(murmur2(key) | 0).toBe(platformaticMurmur2(key) | 0);
    }),
    { numRuns: 500 },
  );
});
