#!/bin/sh
# A toy Batch job that does what its environment says.
echo "attempt $AWS_BATCH_JOB_ATTEMPT of $AWS_BATCH_JOB_ID: $PLAN at $AWS_ENDPOINT_URL with $EXTRA"
case "$PLAN" in
exit-*) exit "${PLAN#exit-}" ;;
second-time) [ "$AWS_BATCH_JOB_ATTEMPT" = 2 ] && exit 0 || exit 12 ;;
killed) kill -KILL $$ ;;
sleep) sleep 300 & wait ;;
array*)
  echo "child $AWS_BATCH_JOB_ARRAY_INDEX of $AWS_BATCH_JOB_ARRAY_SIZE"
  [ "$PLAN $AWS_BATCH_JOB_ARRAY_INDEX" = "array-fails 2" ] && exit 10
  [ "$PLAN $AWS_BATCH_JOB_ARRAY_INDEX $AWS_BATCH_JOB_ATTEMPT" = "array 1 1" ] && exit 12
  sleep 0.5 ;;
scratch)
  [ -z "$(ls -A "$AUTODUMP_SCRATCH")" ] || exit 3
  echo "scratch $AUTODUMP_SCRATCH $(stat -c %a "$AUTODUMP_SCRATCH")"
  mkdir "$AUTODUMP_SCRATCH/made" && echo x > "$AUTODUMP_SCRATCH/made/file"
  exit 12 ;;
gentle) trap 'exit 143' TERM; echo ready; sleep 300 & wait ;;
esac
