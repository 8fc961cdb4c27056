/** Runs `act` on every item, at most `limit` at a time. The first failure stops further ones from starting and is thrown. */
export async function sideBySide<T>(
  items: readonly T[],
  limit: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const item = items[next++]!;
      try {
        await act(item);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, lane));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
}
