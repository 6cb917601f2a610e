export function readThreadsMax(): number;
