// Rooms: members send each other events. An entry of its own, `browser-stream-server/room`.

export { AckError, type Answer } from "./asks.ts";
export type { Directory, DirectoryEvents, RoomInfo } from "./directory.ts";
export type { Member, Reason } from "./member.ts";
export type { JoinedRoom, JoinOptions } from "./room.ts";
export type { AnyListener, PeerListener, RoomEvents } from "./room-events.ts";
export { Room, type RoomOptions } from "./rooms.ts";
export type { Target } from "./target.ts";
