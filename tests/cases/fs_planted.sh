#!/bin/bash
# limit: 400
# Every bug planted in the file layer is caught by one of its unit tests.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
failed=0
all_caught fs fs attr acl lock orphan rename data model readdir front front_full pages told write_back remote many_regions relay routes service || failed=1
all_caught fs reads intent_view service_intents || failed=1
exit $failed
