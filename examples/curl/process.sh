#!/bin/sh
# Uploads a CSV of image URLs, waits until its images are processed, and downloads the result CSV.
#
#   ./process.sh products.csv results.csv
#
# BASE_URL         where Pressrun is (http://127.0.0.1:3000)
# API_KEY          one of its API_KEYS, if it has any
# OPTIONS          how images are processed, as a query: OPTIONS='format=webp&quality=80'
# TIMEOUT_SECONDS  how long to wait at most (3600)
#
# Ends with 0: every image has an output. 1: some have none. 2: refused. 3: paused, or not ended in time.
set -u
csv=${1:?usage: process.sh products.csv [results.csv]}
results=${2:-results.csv}
base_url=${BASE_URL:-http://127.0.0.1:3000}
[ -r "$csv" ] && [ ! -d "$csv" ] || { echo "$csv cannot be read" >&2; exit 2; }
deadline=$(($(date +%s) + ${TIMEOUT_SECONDS:-3600}))

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Sends a request: its body goes to $folder/body, its headers to $folder/headers. Says what is wrong where something is.
call() {
  if [ -n "${API_KEY:-}" ]; then set -- -H "Authorization: Bearer $API_KEY" "$@"; fi
  code=$(curl -sS -o "$folder/body" -D "$folder/headers" -w '%{http_code}' --max-time 300 "$@") || exit 2
  case $code in
    2*) ;;
    # A problem (RFC 9457): a sentence in `detail`, and in `errors` one for each place.
    *) echo "refused ($code $(text code)): $(text detail)" >&2; texts message >&2; exit 2 ;;
  esac
}

# The texts of all members of a name; and the text of the first member, nothing where that is null: a paused host has a pausedAt
# too, behind the batch's. With jq at hand: jq -r .detail "$folder/body"
members() { grep -o "\"$1\":\(null\|\"\([^\"\\\\]\|\\\\.\)*\"\)" "$folder/body"; }
unquote() { sed -n 's/^"[^"]*":"\(.*\)"$/\1/p' | sed 's/\\"/"/g'; }
texts() { members "$1" | unquote; }
text() { members "$1" | head -n 1 | unquote; }
number() { grep -o "\"$1\":[0-9]*" "$folder/body" | head -n 1 | cut -d: -f2; }

# In quotes, since commas and semicolons mean something to -F.
call -F "file=@\"$(printf '%s' "$csv" | sed 's/[\\"]/\\&/g')\"" "$base_url/v1/batches?${OPTIONS:-}"
self=$(text self)
results_url=$(text resultsCsv)
echo "accepted: $(number products) products with $(number total) images, $self" >&2

until [ -n "$(text finishedAt)" ]; do
  if [ -n "$(text pausedAt)" ]; then
    echo "paused: $(text pauseReason) Resume it with: curl -X POST $self/resume" >&2
    exit 3
  fi
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "not ended in time; it goes on, look at $self" >&2
    exit 3
  fi
  # The service says after how long to look again.
  sleep "$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]*\).*/\1/p' "$folder/headers" | grep . || echo 1)"
  call "$self"
  echo "$(number percent) %" >&2
done

status=$(text status) total=$(number total) completed=$(number completed) failed=$(number failed)
# The link holds a secret of its own and needs no key.
call "$results_url"
cat "$folder/body" > "$results" || exit 2
echo "$status: $completed images completed, $failed failed; see $results"
[ "$completed" -eq "$total" ]
