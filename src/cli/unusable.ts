/**
 * A fault that the caller can mend, such as a wrong argument or a file that cannot be read. Only its message is shown, and the
 * command ends with 2.
 */
export class Unusable extends Error {}
