#!/bin/sh
# Reports a run of any CI system: `report.sh` at the start, `report.sh "$RESULT"` in a last step that always runs.
# Replace the variables on the right by your CI system's. Delete lines for which it has none; empty values are ignored.
export CIBEACON_HOST=concourse                  # any word: the name of your CI system
export CIBEACON_RUN_ID="${BUILD_ID:+$PIPELINE/$BUILD_ID}" # the same at the start and the end; unique to the run
export CIBEACON_RUN_ATTEMPT="$BUILD_ATTEMPT"    # if a rerun keeps its id
export CIBEACON_PIPELINE_NAME="$PIPELINE"
export CIBEACON_SOURCE_URL="$BUILD_URL"         # the page of the run
export CIBEACON_STARTED_AT="$BUILD_STARTED"     # Unix seconds, milliseconds or ISO 8601
export CIBEACON_REPOSITORY="$REPOSITORY_URL"    # its URL, or its name, such as acme/shop
export CIBEACON_COMMIT_SHA="$COMMIT"            # for a pull request its head, not a test merge
export CIBEACON_HEAD_BRANCH="$BRANCH"           # without a branch the run does not count as a push
export CIBEACON_DEFAULT_BRANCH=main
export CIBEACON_PR_NUMBER="$PULL_REQUEST"
export CIBEACON_PR_BASE="$TARGET_BRANCH"
export CIBEACON_BASE="$PREVIOUS_COMMIT"         # for a push: the commit before it
export CIBEACON_STATUS="${1:-running}"          # success, failure, cancelled or a similar word
cibeacon report || true                         # an error here never fails the job
