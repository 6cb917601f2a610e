import type { StageResult } from "../../domain/image/stage-result.ts";
import type { EncodeTask } from "../encode/encode-task.ts";
import type { Encoded } from "./encode-result.ts";

export type Task = EncodeTask & {
  priority: number;
  crashes: number;
  /** Where it is to be made: once it has outgrown an encoder in one that holds nothing of others, and then in the least memory. */
  room: "any" | "fresh" | "thrifty";
  /** Nobody waits for it any more. */
  isAborted: boolean;
  resolve(result: StageResult<Encoded>): void;
};

const LARGE_PIXELS = 24e6;

/** It keeps an encoder for seconds. */
export function isLarge({ input: { width, height } }: Task): boolean {
  return width * height >= LARGE_PIXELS;
}

/** Tasks that wait for an encoder, the best priority first. */
export class TaskQueue {
  #tasks: Task[] = [];

  get length(): number {
    return this.#tasks.length;
  }

  /** Behind those that are as good. */
  add(task: Task): void {
    this.#insert(task, (other) => other.priority < task.priority);
  }

  /** What an encoder had already: before those that are as good. */
  addBack(task: Task): void {
    this.#insert(task, (other) => other.priority <= task.priority);
  }

  takeBest(): Task | undefined {
    return this.#tasks.shift();
  }

  remove(task: Task): void {
    this.#tasks = this.#tasks.filter((other) => other !== task);
  }

  #insert(task: Task, isBehind: (other: Task) => boolean): void {
    const at = this.#tasks.findIndex(isBehind);
    this.#tasks.splice(at === -1 ? this.#tasks.length : at, 0, task);
  }
}
