/**
 * What the person who called can mend: a wrong argument, a file that is none. Its message is all that is shown; the command
 * ends with 2.
 */
export class Unusable extends Error {}
