#!/bin/bash
# limit: 400
# Every bug planted in the administration of a cluster's regions is caught by a unit test.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught fs 'admin|coordinator|reports|load' admin balance region_loads region_table region_reports coordinator_places coordinator_split store_list oversize
