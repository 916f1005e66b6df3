#!/bin/bash
# limit: 300
# Every bug planted in what is answered before the log is durable is caught by a unit test of it.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught store early early
