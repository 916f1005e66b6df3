#!/bin/bash
# limit: 300
# Every bug planted in the KV engine and in when it is flushed is caught by one of their tests.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught store 'kv|flush' kv_rocksdb flush
