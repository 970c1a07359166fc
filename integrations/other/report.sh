#!/bin/sh
# Reports a run of any CI system: `report.sh` at the start, `report.sh "$RESULT"` in a last step that always runs.
# On the right stands what your CI system calls these. Leave out what it does not say; an empty value is none.
export CIBEACON_HOST=concourse                  # any word: the name of your CI system
export CIBEACON_RUN_ID="${BUILD_ID:+$PIPELINE/$BUILD_ID}" # the same at the start and the end, and no other run's
export CIBEACON_RUN_ATTEMPT="$BUILD_ATTEMPT"    # if a run that is started again keeps its id
export CIBEACON_PIPELINE_NAME="$PIPELINE"
export CIBEACON_SOURCE_URL="$BUILD_URL"         # the page of the run
export CIBEACON_STARTED_AT="$BUILD_STARTED"     # Unix seconds, milliseconds or ISO 8601
export CIBEACON_REPOSITORY="$REPOSITORY_URL"    # its URL, or its name: acme/shop
export CIBEACON_COMMIT_SHA="$COMMIT"            # of a pull request its head, not a merge made for the job
export CIBEACON_HEAD_BRANCH="$BRANCH"           # without it the run counts as no push
export CIBEACON_DEFAULT_BRANCH=main
export CIBEACON_PR_NUMBER="$PULL_REQUEST"
export CIBEACON_PR_BASE="$TARGET_BRANCH"
export CIBEACON_BASE="$PREVIOUS_COMMIT"         # of a push: where the branch was before
export CIBEACON_STATUS="${1:-running}"          # success, failure, cancelled, or a word like them
cibeacon report || true                         # nothing that goes wrong here fails the job
