/**
 * The traffic of a simulated week: hour by hour the events of every topic, some of them of hours before.
 */
import { KafkaClient } from '../../broker/client/client.ts';
import { Producer } from '../../broker/client/producer.ts';
import { settingsSchema } from '../../config/settings.ts';
import { webRequest } from './events.ts';
import { EVENTS_PER_HOUR, FIRST_HOUR, millisecondsOf, PARTITIONS, TOPICS } from './week-plan.ts';

export class WeekTraffic {
  /** Events sent so far. */
  sent = 0;
  readonly #waiting: number[] = [];

  /** Sends the events of an hour; without an address they wait for the next time. */
  async send(hour: number, address: string | undefined): Promise<void> {
    this.#waiting.push(hour);
    if (address === undefined) return;
    const settings = settingsSchema.parse({ client: { brokers: address } });
    await using client = await KafkaClient.connect(settings.client);
    const producer = await Producer.open(client, settings.producer);
    for (const of of this.#waiting.splice(0))
      for (const topic of TOPICS)
        for (let i = 0; i < EVENTS_PER_HOUR; i++) {
          // One in ten comes an hour late, one in twenty six hours: many of their hours bear markers by then.
          const back = i === 0 ? 6 : i <= 2 ? 1 : 0;
          await producer.send(topic, {
            key: null,
            value: Buffer.from(webRequest(this.sent++, Math.max(FIRST_HOUR, of - back))),
            timestampMs: millisecondsOf(of) + 1,
            partition: i % PARTITIONS[topic]!,
          });
        }
    await producer.close();
  }
}
