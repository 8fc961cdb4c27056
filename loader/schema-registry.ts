/**
 * Schemas by number from a registry of Confluent's kind (Karapace and Apicurio speak the same): `GET /schemas/ids/N`, and
 * `GET /subjects/S/versions/V` for what a schema names. A number stands for one schema for ever, so each is asked once.
 * What the registry does not know, or can't be asked, is an error with its remedy: a value is never guessed at.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Settings } from '../config/settings.ts';
import type { NamedSchema } from '../schemas/avro.ts';

/** The part of the settings that concerns the registry. */
export type RegistrySettings = Pick<Settings['schemas'], 'registryUrl' | 'registryCredentialsFile'>;

/** A schema as the registry has it. `references`: what it names, each after what that names itself. */
export interface RegisteredSchema {
  type: 'AVRO' | 'JSON' | 'PROTOBUF';
  text: string;
  references: NamedSchema[];
}

/** Trouble with the registry or with what it has: one line with the remedy. */
export class RegistryError extends Error {
  override name = 'RegistryError';
}

const ACCEPT = 'application/vnd.schemaregistry.v1+json, application/json';
const TIMEOUT_MS = 10_000;
/** Waits between tries; a registry that is being restarted comes back within them. */
const RETRY_WAITS_MS = [200, 1_000, 3_000];
/** Schemas that one may name, over all levels. */
const MAX_REFERENCES = 100;

const reference = z.object({ name: z.string(), subject: z.string(), version: z.int() });
const answerSchema = z.object({
  schema: z.string(),
  schemaType: z.enum(['AVRO', 'JSON', 'PROTOBUF']).default('AVRO'),
  references: z.array(reference).default([]),
});
type Answer = z.infer<typeof answerSchema>;

export class SchemaRegistry {
  readonly #settings: RegistrySettings;

  constructor(settings: RegistrySettings) {
    this.#settings = settings;
  }

  /** The schema with this number. Throws RegistryError. */
  async schema(id: number): Promise<RegisteredSchema> {
    const what = `schema id ${id}`;
    const { schema: text, schemaType: type, references } = await this.#ask(`schemas/ids/${id}`, what);
    const named: NamedSchema[] = [];
    await this.#collect(references, named, what);
    return { type, text, references: named };
  }

  async #collect(references: Answer['references'], into: NamedSchema[], what: string): Promise<void> {
    for (const { name, subject, version } of references) {
      if (into.some((one) => one.name === name)) continue;
      if (into.length >= MAX_REFERENCES)
        throw new RegistryError(`${what} names more than ${MAX_REFERENCES} schemas; register it with fewer`);
      const path = `subjects/${encodeURIComponent(subject)}/versions/${version}`;
      const found = await this.#ask(path, `${name} (${subject} version ${version}), which ${what} names`);
      await this.#collect(found.references, into, what);
      into.push({ name, text: found.schema });
    }
  }

  async #ask(path: string, what: string): Promise<Answer> {
    const { registryUrl } = this.#settings;
    const url = `${registryUrl.replace(/\/+$/, '')}/${path}`;
    const headers = { accept: ACCEPT, ...(await this.#authorization()) };
    for (let n = 0; ; n++) {
      const answer = await fetch(url, {
        headers,
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      }).catch((error: Error) => causeOf(error));
      if (typeof answer !== 'string' && answer.ok) return this.#parsed(await answer.text(), what);
      const trouble = typeof answer === 'string' ? answer : `it answers ${answer.status}`;
      if (typeof answer !== 'string') {
        await answer.body?.cancel();
        if (answer.status === 404)
          throw new RegistryError(
            `${what}: the registry ${registryUrl} does not have it; point schemas.registryUrl at the registry of the producers, or register the schema again under this number`,
          );
        if (answer.status === 401 || answer.status === 403)
          throw new RegistryError(
            `${what}: the registry ${registryUrl} refuses us (${answer.status}); correct schemas.registryCredentialsFile`,
          );
      }
      const waitMs = RETRY_WAITS_MS[n];
      if (waitMs === undefined)
        throw new RegistryError(
          `${what}: the registry ${registryUrl} can't be asked (${trouble}); see that it runs and that schemas.registryUrl is right, then load again`,
        );
      await sleep(waitMs);
    }
  }

  #parsed(body: string, what: string): Answer {
    try {
      return answerSchema.parse(JSON.parse(body));
    } catch {
      throw new RegistryError(
        `${what}: the answer of ${this.#settings.registryUrl} is none of a schema registry; correct schemas.registryUrl`,
      );
    }
  }

  /** `user:password`, or a token alone, from the file of the settings; read each time, so that it may change. */
  async #authorization(): Promise<Record<string, string>> {
    const { registryCredentialsFile: file } = this.#settings;
    if (file === '') return {};
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new RegistryError(
        `schemas.registryCredentialsFile ${file} can't be read (${error.code}); correct the setting`,
      );
    });
    const secret = text.trim();
    return {
      authorization: secret.includes(':')
        ? `Basic ${Buffer.from(secret).toString('base64')}`
        : `Bearer ${secret}`,
    };
  }
}

/** Why a connection failed: the reason lies below undici's "fetch failed". */
function causeOf({ message, cause }: Error): string {
  const { code, message: below } = (cause ?? {}) as { code?: string; message?: string };
  return code ?? below ?? message;
}
