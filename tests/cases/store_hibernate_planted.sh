#!/bin/bash
# limit: 300
# Every bug planted in how idle regions sleep, and in who campaigns when, is caught by one of their tests.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/lib/planted.sh
all_caught store 'hibernate|campaign' hibernation campaign
