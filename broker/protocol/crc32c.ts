/**
 * CRC-32C (Castagnoli), the checksum of record batches; native, 8 GB/s and more from 4 KB up.
 */
import { crc32c as native } from '@node-rs/crc32';

/** The checksum of `bytes` as an unsigned 32-bit number, going on from `previous`, the checksum of the bytes before them. */
export function crc32c(bytes: Uint8Array, previous?: number): number {
  return native(bytes, previous);
}
