// Written by `manage.py asyncapi --typescript`. Do not edit.

/** A log-in has ended: as whom the socket speaks from now on. */
export interface Account {
  type: "account";
  /** The public id of a person. */
  who: string;
  /** 1 to 40 characters after trimming, in one line. Empty if there is none yet. */
  handle: string;
  account: false;
}

/** Deletes a message. */
export interface Delete {
  type: "delete";
  /** Grows within a room. */
  id: number;
  /** Of the sender, unique among the messages in this room. */
  nonce?: string;
}

/** A message after its deletion. */
export interface Deleted {
  /** 1 to 40 characters after trimming, in one line. Empty if there is none yet. */
  handle: string;
  message: string;
  /** In UTC. */
  timestamp: string;
  /** Grows within a room. */
  id: number;
  /** The public id of a person. */
  who: string;
  /** Of the sender, unique among the messages in this room. */
  nonce?: string;
  /** The handle belongs to an account. */
  account?: true;
  /** In UTC. */
  edited?: string;
  deleted?: true;
  type: "deleted";
  change: number;
}

/** Replaces the text of a message. */
export interface Edit {
  type: "edit";
  /** Grows within a room. */
  id: number;
  /** 1 to 4000 characters after trimming. */
  message: string;
  /** Of the sender, unique among the messages in this room. */
  nonce?: string;
}

/** A message after an edit. Of one message, the highest change wins. */
export interface Edited {
  /** 1 to 40 characters after trimming, in one line. Empty if there is none yet. */
  handle: string;
  message: string;
  /** In UTC. */
  timestamp: string;
  /** Grows within a room. */
  id: number;
  /** The public id of a person. */
  who: string;
  /** Of the sender, unique among the messages in this room. */
  nonce?: string;
  /** The handle belongs to an account. */
  account?: true;
  /** In UTC. */
  edited?: string;
  deleted?: true;
  type: "edited";
  change: number;
}

/** The answer to a refused frame. */
export interface Error {
  type: "error";
  code: "bad_json" | "bad_message" | "too_long" | "too_fast" | "forbidden" | "not_found";
  /** A sentence for a person. */
  detail: string;
  /** Of the sender, unique among the messages in this room. */
  nonce?: string;
  /** Grows within a room. */
  id?: number;
}

/** Who is in the room, for the one who asked. */
export interface Here {
  type: "presence";
  /** Counts changes of presence. */
  revision: number;
  here: Visitor[];
  you: Visitor;
}

/** Tells that somebody is typing. */
export interface IsTyping {
  type: "typing";
  /** 1 to 40 characters after trimming, in one line. Empty if there is none yet. */
  handle: string;
}

/** A person who has left. */
export interface Left {
  /** The public id of a person. */
  who: string;
}

/** A person has come into the room. */
export interface PersonJoined {
  type: "presence";
  /** Counts changes of presence. */
  revision: number;
  joined: Visitor;
}

/** A person has left the room. */
export interface PersonLeft {
  type: "presence";
  /** Counts changes of presence. */
  revision: number;
  left: Left;
}

/** A person in the room has another handle. */
export interface PersonRenamed {
  type: "presence";
  /** Counts changes of presence. */
  revision: number;
  renamed: Visitor;
}

/** A room in the lobby. */
export interface RoomNow {
  label: string;
  name: string;
  /** The time of the last message, in UTC. */
  active: string | null;
  people: number;
  /** Of some of the people. */
  handles: string[];
  /** Counts changes of presence. */
  revision: number;
}

/** All rooms of the lobby, or one that has changed. */
export interface Rooms {
  type: "rooms";
  rooms: RoomNow[];
}

/** A message. Of a deleted one, handle and message are empty. */
export interface Said {
  /** 1 to 40 characters after trimming, in one line. Empty if there is none yet. */
  handle: string;
  message: string;
  /** In UTC. */
  timestamp: string;
  /** Grows within a room. */
  id: number;
  /** The public id of a person. */
  who: string;
  /** Of the sender, unique among the messages in this room. */
  nonce?: string;
  /** The handle belongs to an account. */
  account?: true;
  /** In UTC. */
  edited?: string;
  deleted?: true;
}

/** Says something. */
export interface Say {
  type?: "message";
  /** 1 to 40 characters after trimming, in one line. */
  handle: string;
  /** 1 to 4000 characters after trimming. */
  message: string;
  /** Of the sender, unique among the messages in this room. */
  nonce?: string;
}

/** Somebody is typing. Show it for 6 s. */
export interface Typing {
  type: "typing";
  /** The public id of a person. */
  who: string;
  /** 1 to 40 characters after trimming, in one line. Empty if there is none yet. */
  handle: string;
  /** The handle belongs to an account. */
  account?: true;
}

/** A person in a room. */
export interface Visitor {
  /** The public id of a person. */
  who: string;
  /** 1 to 40 characters after trimming, in one line. Empty if there is none yet. */
  handle: string;
  /** The handle belongs to an account. */
  account?: true;
}

/** Asks who is in the room. */
export interface WhoIsHere {
  type: "presence";
  /** 1 to 40 characters after trimming, in one line. Empty if there is none yet. */
  handle?: string;
}

/** What clients send to /chat/. */
export type ChatToServer = never;

/** What clients get from /chat/. */
export type ChatFromServer = Rooms | Error;

/** What clients send to /chat/{label}/. */
export type ChatLabelToServer = Say | Edit | Delete | IsTyping | WhoIsHere;

/** What clients get from /chat/{label}/. */
export type ChatLabelFromServer = Said | Edited | Deleted | PersonJoined | PersonRenamed | PersonLeft | Typing | Here | Account | Error;
