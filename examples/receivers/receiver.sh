#!/bin/sh
# A receiver of Pressrun's webhooks in a POSIX shell, with openssl and curl. It is a CGI script (RFC 3875), which Apache, lighttpd
# and nginx with fcgiwrap run: headers come as HTTP_… variables, the body on stdin. So it works by hand as well:
#
#   WEBHOOK_SECRET=whsec_… HTTP_WEBHOOK_ID=… HTTP_WEBHOOK_TIMESTAMP=… HTTP_WEBHOOK_SIGNATURE=v1,… \
#     CONTENT_LENGTH=$(wc -c < body.json) sh receiver.sh < body.json
#
# What is verified is kept in INBOX (./inbox), one file for each webhook-id: `find inbox -mtime +7 -delete` tidies up.
set -euf # f: a pattern in a header never becomes names of files
export LC_ALL=C

inbox=${INBOX:-inbox}
# An event has a few kilobytes, some 35 with much metadata; with webhookPayload=seed at most 100,000 bytes.
body_bytes_max=262144
tolerance_seconds=300

answer() { # status, text
  printf 'Status: %s\r\nContent-Type: text/plain\r\n\r\n%s' "$1" "${2-}"
  exit 0
}

# For a moment the list of processes shows the key: on a machine that you share, mount /proc with hidepid=2.
sign() { # key in hexadecimal digits; what is signed on stdin
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" -binary | openssl base64 -A
}

# Your own work. jq would read JSON properly; the last outputCsvUrl of an event is always Pressrun's own.
handle() { # file of the event
  case $(cat "$1") in
    '{"type":"batch.completed"'* | '{"type":"batch.failed"'* | '{"type":"batch.cancelled"'*) ;;
    *) return 0 ;;
  esac
  curl -fsS --max-time 60 -o "${1%.json}.csv" "$(sed -n 's/.*"outputCsvUrl":"\([^"]*\)".*/\1/p' "$1")"
}

: "${WEBHOOK_SECRET:?is needed: what signs your webhooks}"
id=${HTTP_WEBHOOK_ID-}
timestamp=${HTTP_WEBHOOK_TIMESTAMP-}
signatures=${HTTP_WEBHOOK_SIGNATURE-}
length=${CONTENT_LENGTH-}

# Each is checked before it is used as a number or as the name of a file.
case $id in '' | *[!A-Za-z0-9_-]*) answer '401 Unauthorized' 'webhook-id is needed' ;; esac
case $timestamp in '' | *[!0-9]* | ?????????????*) answer '401 Unauthorized' 'webhook-timestamp is needed' ;; esac
case $length in '' | *[!0-9]*) answer '411 Length Required' 'a content-length is needed' ;; esac
[ "${#length}" -le 9 ] && [ "$length" -le "$body_bytes_max" ] || answer '413 Content Too Large' "at most $body_bytes_max bytes are taken"
[ "${#id}" -le 100 ] && [ "${#signatures}" -le 1000 ] || answer '401 Unauthorized' 'the headers are too long'
# So that whoever recorded a message cannot send it again next week.
now=$(date +%s)
[ "$timestamp" -ge $((now - tolerance_seconds)) ] && [ "$timestamp" -le $((now + tolerance_seconds)) ] ||
  answer '401 Unauthorized' 'the message is older or newer than five minutes'

mkdir -p "$inbox"
body=$(mktemp "$inbox/.new.XXXXXX")
trap 'rm -f "$body"' EXIT
head -c "$length" > "$body"

# Standard Webhooks: HMAC-SHA256 over id.timestamp.body. The header can hold several signatures, and WEBHOOK_SECRET two secrets
# with a comma between while a new one replaces an old one. A shell has no comparison in constant time; the time that one more
# byte takes is lost in the milliseconds that openssl takes to start.
is_right=no
for secret in $(printf %s "$WEBHOOK_SECRET" | tr ',' ' '); do
  key=$(printf %s "${secret#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
  # With an empty key anybody could sign.
  [ "${#key}" -ge 48 ] || answer '500 Internal Server Error' 'WEBHOOK_SECRET is not base64 of 24 bytes or more'
  expected=v1,$({ printf '%s.%s.' "$id" "$timestamp"; cat "$body"; } | sign "$key")
  for signature in $signatures; do
    [ "$signature" != "$expected" ] || is_right=yes
  done
done
[ "$is_right" = yes ] || answer '401 Unauthorized' 'the signature is not right'

# Only one process can make a link, even where several try at once. A repetition is answered like the first, whose answer may
# have been lost on the way.
if ! ln "$body" "$inbox/$id.json" 2> /dev/null; then
  [ -e "$inbox/$id.json" ] || answer '503 Service Unavailable' 'the inbox cannot be written; send it again'
  answer '204 No Content'
fi
# First the answer, then the work: after 20 s without an answer Pressrun sends it again. A server waits until no process holds
# the script's output open, and only exec closes it: a function whose output is redirected keeps a copy.
(
  exec < /dev/null > /dev/null 2>> "$inbox/errors.log"
  handle "$inbox/$id.json"
) &
answer '204 No Content'
