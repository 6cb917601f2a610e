/** Options that hold credentials as they are sent. Proxies log URLs, so that these come as form fields or in JSON only. */
export const CREDENTIAL_OPTIONS = ["sourceHeaders", "webhookAuthorization"] as const;

/** Options whose values go into no answer and no log of ours. A secret of a webhook may stand in a URL: beside a bare CSV it has no other place. */
export const SECRET_OPTIONS: readonly string[] = [...CREDENTIAL_OPTIONS, "webhookSecret"];
