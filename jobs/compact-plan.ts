/**
 * Decides, from records alone, which files of an hour are merged into one. Pure.
 */
import type { LiveFile } from '../loader/fold.ts';

/** A file at least this part of the target is as large as it should be: merging it again would gain little and copy much. */
const LARGE_ENOUGH = 0.5;

/**
 * Groups of at least two files, each group near the target size, of the files of one hour that are too small. Files in
 * one group have rows of one incarnation of each partition: a row is known by partition and offset alone.
 */
export function groupsToMerge(files: readonly LiveFile[], targetBytes: number): LiveFile[][] {
  const small = files
    .filter(({ bytes }) => bytes < targetBytes * LARGE_ENOUGH)
    .sort((a, b) => a.minTime - b.minTime || (a.final < b.final ? -1 : 1));
  const groups: { files: LiveFile[]; bytes: number; incarnations: Map<number, number> }[] = [];
  for (const file of small) {
    const group = groups.find(
      ({ bytes, incarnations }) =>
        bytes + file.bytes <= targetBytes &&
        file.parts.every(
          ({ partition, incarnation }) => (incarnations.get(partition) ?? incarnation) === incarnation,
        ),
    );
    const into = group ?? { files: [], bytes: 0, incarnations: new Map<number, number>() };
    if (group === undefined) groups.push(into);
    into.files.push(file);
    into.bytes += file.bytes;
    for (const { partition, incarnation } of file.parts) into.incarnations.set(partition, incarnation);
  }
  return groups.filter(({ files: of }) => of.length > 1).map(({ files: of }) => of);
}
