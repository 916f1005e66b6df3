#!/bin/bash
# limit: 400
# Every bug planted in the file layer is caught by one of its unit tests.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught fs "fs|reads|sessions" records sessions attr acl lock orphan rename data model readdir front front_full pages told write_back remote many_regions relay routes service intent split check intent_view service_intents row_page gathering dispatcher
