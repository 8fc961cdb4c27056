/**
 * Runs things some at a time and hands their results over in order, each as soon as those before it are there: a table
 * grows from its top.
 */
export async function* sideBySide<T, R>(
  items: readonly T[],
  atOnce: number,
  run: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const results: PromiseWithResolvers<R>[] = items.map(() => Promise.withResolvers<R>());
  for (const { promise } of results) promise.catch(() => {}); // awaited below
  const queue = items.entries();
  const runners = Array.from({ length: atOnce }, async () => {
    for (const [index, item] of queue) await run(item).then(results[index]!.resolve, results[index]!.reject);
  });
  for (const { promise } of results) yield await promise;
  await Promise.all(runners);
}
