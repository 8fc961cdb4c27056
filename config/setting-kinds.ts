/**
 * Units and kinds that the branches of the settings share: sizes in bytes, times in milliseconds, ports, and limits that can
 * be switched off.
 */
import { z } from 'zod';

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
export const SECOND = 1000;
export const HOUR = 3600 * SECOND;
export const DAY = 24 * HOUR;

export const port = z.int().min(0).max(65535);
export const bytes = (min: number, max: number) => z.int().min(min).max(max);
export const ms = (min: number, max: number) => z.int().min(min).max(max);
/** -1 switches a limit off, as in Kafka. */
export const orOff = (schema: z.ZodInt) => z.union([z.literal(-1), schema]);
