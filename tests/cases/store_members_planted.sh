#!/bin/bash
# limit: 400
# Every bug planted in what the replicas of a region do together is caught by one of their tests.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught store 'members|reads' members membership promises net_transport
