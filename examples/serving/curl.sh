#!/usr/bin/env bash
# Asks `ixc serve` about a picture with curl: the whole answer, then the same as a stream.
#   curl.sh PICTURE [SERVER (http://127.0.0.1:8000)]          IXC_API_KEY=KEY if the server wants one
set -euo pipefail
picture=${1:?"usage: curl.sh PICTURE [SERVER]"}
server=${2:-http://127.0.0.1:8000}

request() {  # a picture is too long for a command line: the body goes through a pipe
  printf '{"model": "%s", "stream": %s, "max_tokens": 200, "messages": [{"role": "user", "content": [
    {"type": "image_url", "image_url": {"url": "data:%s;base64,' "$1" "$2" "$(file -b --mime-type "$picture")"
  base64 -w0 "$picture"
  printf '"}}, {"type": "text", "text": "Please describe this image in detail."}]}]}'
}

# Keys come from a file descriptor: arguments of a process can be read by others.
call() {
  curl --silent --show-error --fail-with-body --no-buffer \
    --config <(printf 'header = "Authorization: Bearer %s"\n' "${IXC_API_KEY:-none}") "$@"
}

model=$(call "$server/v1/models" | sed 's/.*"id":"\([^"]*\)".*/\1/')
for stream in false true; do
  request "$model" "$stream" |
    call --header "Content-Type: application/json" --data-binary @- "$server/v1/chat/completions"
  echo
done
