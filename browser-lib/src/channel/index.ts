// Channels: one sends, many read. An entry of its own, `browser-stream-server/channel`.

export { Channel, type ChannelOptions, type SubscribeOptions } from "./channel.ts";
export type { Message, Sender, Whole } from "./message.ts";
export type { MessageOptions, Policy, Publication, PublishOptions } from "./publication.ts";
export type { ChannelProgress, ChannelReader, GoneReader, PublicationEvents } from "./publication-events.ts";
export type { Subscription, SubscriptionEvents } from "./subscription.ts";
