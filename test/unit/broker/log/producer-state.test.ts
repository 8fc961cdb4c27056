import { describe, expect, test } from 'vitest';
import { ProducerState, REMEMBERED_BATCHES } from '../../../../broker/log/producer-state.ts';

const batch = (baseSequence: number, { epoch = 0, records = 10, id = 7 } = {}) => ({
  producerId: id,
  producerEpoch: epoch,
  baseSequence,
  lastOffsetDelta: records - 1,
});

function stateAfter(count: number): ProducerState {
  const state = new ProducerState();
  for (let i = 0; i < count; i++) state.update(batch(10 * i), 100 + 10 * i, 1);
  return state;
}

describe('producer state', () => {
  test('each of the last five batches is recognised with its offsets', () => {
    const state = stateAfter(8);
    for (let i = 3; i < 8; i++) {
      expect(state.check(batch(10 * i))).toMatchObject({
        baseOffset: 100 + 10 * i,
        lastOffset: 109 + 10 * i,
      });
    }
    expect(REMEMBERED_BATCHES).toBe(5);
    expect(() => state.check(batch(20))).toThrow(/OUT_OF_ORDER_SEQUENCE_NUMBER/);
  });

  test('the next sequence is taken, a gap is refused', () => {
    const state = stateAfter(2);
    expect(state.check(batch(20))).toBeUndefined();
    expect(() => state.check(batch(30))).toThrow(/OUT_OF_ORDER_SEQUENCE_NUMBER/);
  });

  test('a batch that only overlaps a known one is no repetition', () => {
    expect(() => stateAfter(2).check(batch(10, { records: 5 }))).toThrow(/OUT_OF_ORDER_SEQUENCE_NUMBER/);
  });

  test('sequence numbers wrap at 2^31', () => {
    const state = new ProducerState();
    state.update(batch(2 ** 31 - 5), 0, 1);
    expect(state.check(batch(5))).toBeUndefined();
    expect(state.check(batch(2 ** 31 - 5))).toMatchObject({ baseOffset: 0 });
  });

  test('a new epoch begins at sequence 0, and fences the old one', () => {
    const state = stateAfter(2);
    expect(() => state.check(batch(20, { epoch: 1 }))).toThrow(/OUT_OF_ORDER_SEQUENCE_NUMBER/);
    expect(state.check(batch(0, { epoch: 1 }))).toBeUndefined();
    state.update(batch(0, { epoch: 1 }), 120, 1);
    expect(() => state.check(batch(20))).toThrow(/INVALID_PRODUCER_EPOCH/);
  });

  test('an unknown producer may begin anywhere, and one without id is never remembered', () => {
    const state = new ProducerState();
    expect(state.check(batch(500))).toBeUndefined();
    state.update({ ...batch(0), producerId: -1 }, 0, 1);
    expect(state.size).toBe(0);
  });

  test('idle producers are forgotten', () => {
    const state = stateAfter(1);
    state.update(batch(0, { id: 8 }), 110, 50);
    state.expire(50);
    expect(state.size).toBe(1);
  });

  test('a snapshot is read back, and refused when it is not whole', () => {
    const text = stateAfter(3).encode();
    expect(ProducerState.decode(text)?.check(batch(10))).toMatchObject({ baseOffset: 110 });
    expect(ProducerState.decode(text.slice(0, -3))).toBeUndefined();
    expect(ProducerState.decode('')).toBeUndefined();
  });
});
