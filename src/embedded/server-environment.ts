/** Of Windows, which has them in any spelling, Node adds the rest that a program cannot do without. */
const NEEDED = /^(PATH|LANG|LANGUAGE|LC_[A-Z]+|TZ|TZDIR|LD_LIBRARY_PATH|COMSPEC|PATHEXT)$/i;

/**
 * What PostgreSQL, and the programs that start it, read of our environment. Nothing of it is a secret: whoever runs as the user of the
 * server, or as its superuser has it run a program, could read API_KEYS and SECRET_KEY there.
 */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => NEEDED.test(name)));
}
