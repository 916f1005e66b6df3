#!/bin/bash
# limit: 300
# Every bug planted in the evaluation of operations across regions is caught by its unit test.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught fs 'intents|transact' transact
